/* SPDX-License-Identifier: ISC */
#include "capsule/mime.h"

#include <magic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/fd.h"

enum {
	TYPE_SIZE = 96, /* libmagic's longest is 73 bytes */
	CACHE_WAYS = 4, /* places in which a file's answer may lie */
	CACHE_SETS = MIME_CACHE_SIZE / CACHE_WAYS,
};

_Static_assert((CACHE_SETS & (CACHE_SETS - 1)) == 0,
    "a set is chosen by the bits of a hash");

static const char unknown[] = "application/octet-stream";

/* One answer of libmagic, for a file as it then was. */
struct answer_kept {
	dev_t dev;
	ino_t ino;
	struct timespec mtime;
	off_t size;
	uint64_t used; /* when, by mime.clock; 0: empty */
	char type[TYPE_SIZE];
};

struct mime {
	const struct conf *conf;
	magic_t magic; /* NULL: no database */
	uint64_t clock;
	struct answer_kept cache[CACHE_SETS][CACHE_WAYS];
	uint8_t bytes[MIME_SNIFF_MAX];
};

/* Of all that libmagic can do we need the name of a format: it does not look
 * into compressed files and archives, nor take ELF and Microsoft's compound
 * files apart, which is where its faults have been. */
enum {
	MAGIC_FLAGS = MAGIC_MIME_TYPE | MAGIC_NO_CHECK_COMPRESS |
		      MAGIC_NO_CHECK_TAR | MAGIC_NO_CHECK_ELF |
		      MAGIC_NO_CHECK_CDF | MAGIC_NO_CHECK_APPTYPE,
};

struct parameter {
	int which;
	size_t value;
};

/* Bounds on the work that a hostile file can cause. */
static const struct parameter parameters[] = {
	{ MAGIC_PARAM_INDIR_MAX, 20 },
	{ MAGIC_PARAM_REGEX_MAX, 4096 },
	{ MAGIC_PARAM_BYTES_MAX, MIME_SNIFF_MAX },
};

/* NULL and *why when no database is available. */
static magic_t
mime_open_magic(const char **why)
{
	magic_t magic = magic_open(MAGIC_FLAGS);
	size_t i;

	*why = "out of memory";
	if (magic == NULL)
		return NULL;
	for (i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++)
		(void)magic_setparam(
		    magic, parameters[i].which, &parameters[i].value);
	if (magic_load(magic, NULL) == 0)
		return magic;
	*why = "its database cannot be loaded";
	magic_close(magic);
	return NULL;
}

struct mime *
mime_new(const struct conf *conf, struct report *r)
{
	struct mime *m = calloc(1, sizeof(*m));
	const char *why;

	if (m == NULL)
		return NULL;
	m->conf = conf;
	m->magic = mime_open_magic(&why);
	if (m->magic == NULL)
		report_add(r, REPORT_WARNING, NULL, 0,
		    "libmagic: %s; files of unknown name are served as %s", why,
		    unknown);
	return m;
}

const char *
mime_database(void)
{
	return magic_getpath(NULL, 0);
}

void
mime_free(struct mime **m)
{
	if (*m == NULL)
		return;
	if ((*m)->magic != NULL)
		magic_close((*m)->magic);
	free(*m);
	*m = NULL;
}

/* Whether a name ends in "." and extension, which may be written with its
 * dot. */
static bool
mime_type_has_extension(struct slice name, struct slice extension)
{
	if (slice_starts(extension, SLICE(".")))
		extension = slice_skip(extension, 1);
	return extension.len > 0 && name.len > extension.len &&
	       name.ptr[name.len - extension.len - 1] == '.' &&
	       slice_ends_nocase(name, extension);
}

struct slice
mime_by_name(const struct mime *m, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct slice name = slice_str(slash == NULL ? path : slash + 1);
	const char *known;
	size_t i;

	for (i = 0; i < m->conf->n_types; i++) {
		const struct conf_type *t = &m->conf->types[i];

		/* The lack of either was reported. */
		if (t->extension.text != NULL && t->type.text != NULL &&
		    mime_type_has_extension(name, slice_str(t->extension.text)))
			return slice_str(t->type.text);
	}
	known = mime_table_find(name);
	return known == NULL ? SLICE("") : slice_str(known);
}

/* Whether libmagic's word is a type that we pass on: two tokens and a slash,
 * not one of its own inventions, and not gemtext, which only a name makes. */
static bool
mime_type_is_usable(const char *type)
{
	static const char token[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789!#$&^_.+-";
	size_t first = strspn(type, token);
	size_t second;

	if (first == 0 || type[first] != '/')
		return false;
	second = strspn(type + first + 1, token);
	return second > 0 && type[first + 1 + second] == '\0' &&
	       first + 1 + second < TYPE_SIZE &&
	       strncmp(type, "inode/", 6) != 0 &&
	       strcmp(type, "application/x-empty") != 0 &&
	       strcmp(type, "text/gemini") != 0;
}

/* What a page of HTML may begin with. libmagic takes one whose scripts come first
 * for JavaScript. */
static const char *const html_elements[] = { "!doctype html", "html", "head",
	"body", "title", "meta", "link", "style", "script" };

static const char blanks[] = " \t\r\n\f";

/* Cuts blanks and comments off the front. */
static struct slice
html_skip_comments(struct slice s)
{
	const uint8_t *end;

	if (slice_starts(s, SLICE("\xef\xbb\xbf")))
		s = slice_skip(s, 3);
	for (;;) {
		while (s.len > 0 &&
		       memchr(blanks, s.ptr[0], sizeof(blanks) - 1) != NULL)
			s = slice_skip(s, 1);
		if (!slice_starts(s, SLICE("<!--")))
			return s;
		end = memmem(s.ptr, s.len, "-->", 3);
		if (end == NULL)
			return SLICE("");
		s = slice_skip(s, (size_t)(end - s.ptr) + 3);
	}
}

static bool
html_starts_with(struct slice s, struct slice element)
{
	static const char ends[] = " \t\r\n\f/>";

	return s.len > element.len &&
	       slice_equal_nocase(slice_head(s, element.len), element) &&
	       memchr(ends, s.ptr[element.len], sizeof(ends) - 1) != NULL;
}

static bool
bytes_are_html(struct slice s)
{
	s = html_skip_comments(s);
	if (!slice_starts(s, SLICE("<")))
		return false;
	s = slice_skip(s, 1);
	for (size_t i = 0; i < sizeof(html_elements) / sizeof(*html_elements);
	     i++)
		if (html_starts_with(s, slice_str(html_elements[i])))
			return true;
	return false;
}

/* UTF-8 without control characters. */
static bool
bytes_are_text(struct slice s)
{
	static const char controls[] = "\t\r\n\f\x1b";

	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] == 0x7f ||
		    (s.ptr[i] < ' ' && memchr(controls, s.ptr[i],
					   sizeof(controls) - 1) == NULL))
			return false;
	return slice_utf8(s);
}

/* What libmagic does not recognise: it gives up on a file of one byte. */
static const char *
type_improve(const char *type, struct slice bytes)
{
	bool is_unknown = strcmp(type, unknown) == 0;
	bool is_text =
	    strncmp(type, "text/", 5) == 0 && strcmp(type, "text/xml") != 0;

	if ((is_unknown || is_text ||
		strcmp(type, "application/javascript") == 0) &&
	    bytes_are_html(bytes))
		return "text/html";
	return is_unknown && bytes_are_text(bytes) ? "text/plain" : type;
}

/* The first bytes of fd, whose position is left alone. False when they cannot
 * be read. */
static bool
mime_read_head(struct mime *m, int fd, size_t *len)
{
	ssize_t n = fd_read_at(fd, m->bytes, sizeof(m->bytes), 0);

	*len = n == -1 ? 0 : (size_t)n;
	return n != -1;
}

static struct answer_kept *
mime_cache_set(struct mime *m, const struct stat *st)
{
	/* Fibonacci hashing: inode numbers come in runs. */
	uint64_t hash = ((uint64_t)st->st_ino ^ ((uint64_t)st->st_dev << 32)) *
			UINT64_C(0x9E3779B97F4A7C15);

	return m->cache[(hash >> 32) & (CACHE_SETS - 1)];
}

static bool
mime_cache_holds(const struct answer_kept *k, const struct stat *st)
{
	return k->used != 0 && k->ino == st->st_ino && k->dev == st->st_dev &&
	       k->size == st->st_size &&
	       k->mtime.tv_sec == st->st_mtim.tv_sec &&
	       k->mtime.tv_nsec == st->st_mtim.tv_nsec;
}

/* Asks libmagic, and keeps its answer in the place used longest ago. */
static struct slice
mime_sniff(struct mime *m, int fd, const struct stat *st)
{
	struct answer_kept *set = mime_cache_set(m, st);
	struct answer_kept *place = &set[0];
	const char *type;
	size_t len;
	size_t i;

	if (!mime_read_head(m, fd, &len))
		return slice_str(unknown);
	type = magic_buffer(m->magic, m->bytes, len);
	if (type == NULL || !mime_type_is_usable(type))
		type = unknown;
	else
		type = type_improve(type, slice_of(m->bytes, len));
	for (i = 1; i < CACHE_WAYS; i++)
		if (set[i].used < place->used)
			place = &set[i];
	*place = (struct answer_kept){
		.dev = st->st_dev,
		.ino = st->st_ino,
		.mtime = st->st_mtim,
		.size = st->st_size,
		.used = ++m->clock,
	};
	memcpy(place->type, type, strlen(type) + 1);
	return slice_str(place->type);
}

struct slice
mime_type(struct mime *m, const char *path, int fd, const struct stat *st)
{
	struct slice type = mime_by_name(m, path);
	struct answer_kept *set;
	size_t i;

	if (type.len > 0)
		return type;
	if (m->magic == NULL || st->st_size == 0)
		return slice_str(unknown);
	set = mime_cache_set(m, st);
	for (i = 0; i < CACHE_WAYS; i++) {
		if (mime_cache_holds(&set[i], st)) {
			set[i].used = ++m->clock;
			return slice_str(set[i].type);
		}
	}
	return mime_sniff(m, fd, st);
}

int
mime_library(void)
{
	return magic_version();
}

enum { KEY_SIZE = 16 }; /* holds any key below */

struct row {
	char key[KEY_SIZE]; /* in lower case */
	const char *type;
};

/* Whole names, in byte order: feeds, which clients know by their type. */
static const struct row names[] = {
	{ "atom.xml", "application/atom+xml" },
	{ "feed.xml", "application/atom+xml" },
	{ "rss.xml", "application/rss+xml" },
};

/* What follows the last dot, in byte order. A compressed file is what it is,
 * never what is in it. */
static const struct row extensions[] = {
	{ "7z", "application/x-7z-compressed" },
	{ "aac", "audio/aac" },
	{ "apk", "application/vnd.android.package-archive" },
	{ "asc", "text/plain" },
	{ "atom", "application/atom+xml" },
	{ "avi", "video/x-msvideo" },
	{ "avif", "image/avif" },
	{ "bin", "application/octet-stream" },
	{ "bmp", "image/bmp" },
	{ "bz2", "application/x-bzip2" },
	{ "c", "text/x-c" },
	{ "conf", "text/plain" },
	{ "css", "text/css" },
	{ "csv", "text/csv" },
	{ "deb", "application/vnd.debian.binary-package" },
	{ "diff", "text/x-diff" },
	{ "djvu", "image/vnd.djvu" },
	{ "doc", "application/msword" },
	{ "docx",
	    "application/"
	    "vnd.openxmlformats-officedocument.wordprocessingml.document" },
	{ "epub", "application/epub+zip" },
	{ "fb2", "application/x-fictionbook+xml" },
	{ "flac", "audio/flac" },
	{ "gemini", "text/gemini" },
	{ "geojson", "application/geo+json" },
	{ "gif", "image/gif" },
	{ "gmi", "text/gemini" },
	{ "go", "text/x-go" },
	{ "gpx", "application/gpx+xml" },
	{ "gz", "application/gzip" },
	{ "h", "text/x-c" },
	{ "heic", "image/heic" },
	{ "htm", "text/html" },
	{ "html", "text/html" },
	{ "ico", "image/vnd.microsoft.icon" },
	{ "ics", "text/calendar" },
	{ "iso", "application/x-iso9660-image" },
	{ "jar", "application/java-archive" },
	{ "jpeg", "image/jpeg" },
	{ "jpg", "image/jpeg" },
	{ "js", "text/javascript" },
	{ "json", "application/json" },
	{ "jsonl", "application/jsonl" },
	{ "jxl", "image/jxl" },
	{ "log", "text/plain" },
	{ "lz", "application/lzip" },
	{ "m4a", "audio/mp4" },
	{ "m4v", "video/mp4" },
	{ "markdown", "text/markdown" },
	{ "md", "text/markdown" },
	{ "mid", "audio/midi" },
	{ "midi", "audio/midi" },
	{ "mjs", "text/javascript" },
	{ "mkv", "video/matroska" },
	{ "mov", "video/quicktime" },
	{ "mp3", "audio/mpeg" },
	{ "mp4", "video/mp4" },
	{ "mpeg", "video/mpeg" },
	{ "mpg", "video/mpeg" },
	{ "odp", "application/vnd.oasis.opendocument.presentation" },
	{ "ods", "application/vnd.oasis.opendocument.spreadsheet" },
	{ "odt", "application/vnd.oasis.opendocument.text" },
	{ "oga", "audio/ogg" },
	{ "ogg", "audio/ogg" },
	{ "ogv", "video/ogg" },
	{ "opml", "text/x-opml" },
	{ "opus", "audio/ogg" },
	{ "otf", "font/otf" },
	{ "patch", "text/x-diff" },
	{ "pdf", "application/pdf" },
	{ "pem", "application/x-pem-file" },
	{ "png", "image/png" },
	{ "ps", "application/postscript" },
	{ "pub", "text/plain" },
	{ "py", "text/x-python" },
	{ "rar", "application/vnd.rar" },
	{ "rs", "text/x-rust" },
	{ "rss", "application/rss+xml" },
	{ "rtf", "application/rtf" },
	{ "sh", "text/x-shellscript" },
	{ "sig", "text/plain" },
	{ "spx", "audio/ogg" },
	{ "srt", "application/x-subrip" },
	{ "svg", "image/svg+xml" },
	{ "tar", "application/x-tar" },
	{ "tex", "text/x-tex" },
	{ "text", "text/plain" },
	{ "tgz", "application/gzip" },
	{ "tif", "image/tiff" },
	{ "tiff", "image/tiff" },
	{ "toml", "application/toml" },
	{ "torrent", "application/x-bittorrent" },
	{ "tsv", "text/tab-separated-values" },
	{ "ttf", "font/ttf" },
	{ "txt", "text/plain" },
	{ "txz", "application/x-xz" },
	{ "vcf", "text/vcard" },
	{ "vtt", "text/vtt" },
	{ "warc", "application/warc" },
	{ "wasm", "application/wasm" },
	{ "wav", "audio/wav" },
	{ "webm", "video/webm" },
	{ "webp", "image/webp" },
	{ "woff", "font/woff" },
	{ "woff2", "font/woff2" },
	{ "xhtml", "application/xhtml+xml" },
	{ "xlsx", "application/"
		  "vnd.openxmlformats-officedocument.spreadsheetml.sheet" },
	{ "xml", "text/xml" },
	{ "xz", "application/x-xz" },
	{ "yaml", "application/yaml" },
	{ "yml", "application/yaml" },
	{ "zip", "application/zip" },
	{ "zst", "application/zstd" },
};

static int
mime_row_compare(const void *key, const void *row)
{
	return strcmp(key, ((const struct row *)row)->key);
}

static const char *
mime_row_find(const struct row *rows, size_t n, struct slice text)
{
	char key[KEY_SIZE];
	const struct row *row;
	size_t i;
	uint8_t c;

	if (text.len >= sizeof(key))
		return NULL;
	for (i = 0; i < text.len; i++) {
		c = text.ptr[i];
		key[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
	}
	key[text.len] = '\0';
	row = bsearch(key, rows, n, sizeof(*rows), mime_row_compare);
	return row == NULL ? NULL : row->type;
}

const char *
mime_table_find(struct slice name)
{
	const char *type =
	    mime_row_find(names, sizeof(names) / sizeof(names[0]), name);
	size_t at = name.len;

	while (at > 0 && name.ptr[at - 1] != '.')
		at--;
	if (type != NULL || at == 0)
		return type;
	return mime_row_find(extensions,
	    sizeof(extensions) / sizeof(extensions[0]), slice_skip(name, at));
}
