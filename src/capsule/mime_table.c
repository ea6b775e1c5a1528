/* SPDX-License-Identifier: ISC */
#include "capsule/mime_table.h"

#include <stdlib.h>
#include <string.h>

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
compare_key(const void *key, const void *row)
{
	return strcmp(key, ((const struct row *)row)->key);
}

static const char *
find(const struct row *rows, size_t n, struct slice text)
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
	row = bsearch(key, rows, n, sizeof(*rows), compare_key);
	return row == NULL ? NULL : row->type;
}

const char *
mime_table_find(struct slice name)
{
	const char *type = find(names, sizeof(names) / sizeof(names[0]), name);
	size_t at = name.len;

	while (at > 0 && name.ptr[at - 1] != '.')
		at--;
	if (type != NULL || at == 0)
		return type;
	return find(extensions, sizeof(extensions) / sizeof(extensions[0]),
	    slice_skip(name, at));
}
