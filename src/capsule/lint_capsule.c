/* SPDX-License-Identifier: ISC */
/* The files of a capsule: names, sizes, languages, directories, pages that
 * nothing links to, favicon.txt (one emoji) and .well-known/security.txt (RFC
 * 9116). */
#include <string.h>

#include "capsule/lint_internal.h"
#include "proto/moment.h"

#define RISKY_NAME "a name with more than A-Z a-z 0-9 . _ ~ - in it"
#define FAVICON_FILE "favicon.txt"
#define SECURITY_FILE ".well-known/security.txt"

enum { FILE_SIZE_MAX = 100 << 20 }; /* bytes that are worth a word */

static bool
name_is_plain(const char *name, size_t len)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789._~-";

	return strspn(name, safe) >= len;
}

static const char *
name_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

static void
capsule_check_file(struct lint *l, const struct inventory_item *item)
{
	struct slice path = slice_str(item->path);
	const char *name = name_base(item->path);

	if (!name_is_plain(name, strlen(name)))
		lint_add(l, "C002", item->path, 0, RISKY_NAME);
	if (item->size > FILE_SIZE_MAX)
		lint_add(l, "C005", item->path, 0,
		    "%llu MiB: some clients and networks time out before the "
		    "end",
		    (unsigned long long)(item->size >> 20));
	if (item->page && !slice_ends(path, SLICE(".gmi")) &&
	    !slice_ends(path, SLICE(".gemini")))
		lint_add(l, "C011", item->path, 0,
		    "gemtext whose name does not end in .gmi");
}

/* Whether a directory, len bytes of item's path with the slash, holds a file
 * and not only directories. What it holds follows its first item. */
static bool
directory_holds_file(const struct lint *l, size_t item, size_t len)
{
	const struct inventory *i = &l->inventory;
	const char *directory = i->item[item].path;

	for (size_t k = item;
	     k < i->n && strncmp(i->item[k].path, directory, len) == 0; k++)
		if (strchr(i->item[k].path + len, '/') == NULL)
			return true;
	return false;
}

static void
capsule_check_directory(struct lint *l, size_t item, size_t len)
{
	const char *path = l->inventory.item[item].path;
	const struct lint_target *t = lint_ask_path(l, slice_of(path, len));
	char name[REQUEST_URI_MAX + 1];
	size_t from = len - 1;

	if (len >= sizeof(name))
		return;
	memcpy(name, path, len);
	name[len] = '\0';
	while (from > 0 && path[from - 1] != '/')
		from--;
	if (!name_is_plain(path + from, len - 1 - from))
		lint_add(l, "C002", name, 0, RISKY_NAME);
	if (t != NULL && t->status == STATUS_NOT_FOUND && !t->denied &&
	    strncmp(path, ".well-known/", len) != 0 &&
	    directory_holds_file(l, item, len))
		lint_add(l, "C003", name, 0,
		    "directory with files, but no index page or listing");
}

/* Each directory once, at the first item beneath it: items are in order. */
static void
capsule_check_directories(struct lint *l, size_t item)
{
	const char *path = l->inventory.item[item].path;
	const char *above = item > 0 ? l->inventory.item[item - 1].path : "";
	const char *slash;

	for (slash = strchr(path, '/'); slash != NULL;
	     slash = strchr(slash + 1, '/')) {
		size_t len = (size_t)(slash - path) + 1;

		if (strncmp(path, above, len) != 0)
			capsule_check_directory(l, item, len);
	}
}

/* Whether the listing of the directory that holds path, len bytes of it with
 * the slash, shows it. */
static bool
page_is_listed(struct lint *l, const char *path, size_t len)
{
	const struct lint_target *t = lint_ask_path(l, slice_of(path, len));

	return t != NULL && t->status == STATUS_SUCCESS && t->item == NULL;
}

static bool
page_is_found(struct lint *l, size_t item)
{
	const char *path = l->inventory.item[item].path;
	size_t len = (size_t)(name_base(path) - path);
	const struct lint_target *t = lint_ask_path(l, slice_of(path, len));

	if (l->linked[item] || page_is_listed(l, path, len))
		return true;
	if (t == NULL || t->item != &l->inventory.item[item])
		return false;
	/* The page is its directory's index: the root's needs no link, others
	 * may be found by the listing one level up. */
	if (len == 0)
		return true;
	len--;
	while (len > 0 && path[len - 1] != '/')
		len--;
	return page_is_listed(l, path, len);
}

static void
capsule_check_orphans(struct lint *l)
{
	for (size_t i = 0; i < l->inventory.n; i++)
		if (l->inventory.item[i].page && !page_is_found(l, i))
			lint_add(l, "C004", l->inventory.item[i].path, 0,
			    "no other page links to this one");
}

static bool
page_lacks_language(struct lint *l, const struct inventory_item *item)
{
	const struct lint_target *t;

	if (!item->page)
		return false;
	t = lint_ask_item(l, item);
	return t != NULL && t->status == STATUS_SUCCESS &&
	       lint_parameter(t, SLICE("lang")).len == 0;
}

/* Where no page has a language, that is one mistake and not many. */
static void
capsule_check_languages(struct lint *l)
{
	size_t pages = 0, lacking = 0;

	for (size_t i = 0; i < l->inventory.n; i++) {
		pages += l->inventory.item[i].page;
		lacking += page_lacks_language(l, &l->inventory.item[i]);
	}
	if (lacking == pages && pages > 0) {
		lint_add(l, "C001", NULL, 0,
		    "no page has a language; set lang in " LINT_CONF_FILE);
		return;
	}
	for (size_t i = 0; lacking > 0 && i < l->inventory.n; i++)
		if (page_lacks_language(l, &l->inventory.item[i]))
			lint_add(l, "C001", l->inventory.item[i].path, 0,
			    "no language");
}

/* The line, from 1, of the first byte that is not UTF-8; 0: there is none. */
static unsigned
text_malformed(struct slice rest, uint8_t *byte)
{
	struct slice line;
	unsigned number = 0;
	uint32_t rune;

	while (slice_line(&rest, &line)) {
		number++;
		while (slice_rune(line, &rune) > 0)
			line = slice_skip(line, slice_rune(line, &rune));
		if (line.len == 0)
			continue;
		*byte = line.ptr[0];
		return number;
	}
	return 0;
}

/* The line, from 1, of the first byte above 127; 0: there is none. */
static unsigned
text_beyond_ascii(struct slice rest)
{
	struct slice line;
	unsigned number = 0;

	while (slice_line(&rest, &line)) {
		number++;
		for (size_t i = 0; i < line.len; i++)
			if (line.ptr[i] >= 0x80)
				return number;
	}
	return 0;
}

static void
text_check_bytes(struct lint *l, const struct inventory_item *item,
    const struct lint_target *t, struct slice bytes)
{
	uint8_t byte;
	unsigned line = text_malformed(bytes, &byte);

	if (lint_is_utf8(t)) {
		if (line != 0)
			lint_add(l, "C015", item->path, line,
			    "byte 0x%02x is not UTF-8, which clients expect "
			    "of %s; convert the file (iconv -f latin1 -t "
			    "utf-8), or set the charset of this path "
			    "in " LINT_CONF_FILE
			    ": paths = ({ glob = \"/%s\"; charset = "
			    "\"iso-8859-1\"; });",
			    byte, t->meta, item->path);
		return;
	}
	if (line == 0 && (line = text_beyond_ascii(bytes)) != 0)
		lint_add(l, "C015", item->path, line,
		    "UTF-8, but served as %s: clients show other characters; "
		    "in " LINT_CONF_FILE
		    ", set charset only for the paths that need it",
		    t->meta);
}

/* Clients take texts for UTF-8 unless they have another charset (protocol
 * specification, "Response bodies"). */
static void
capsule_check_text(
    struct lint *l, const struct inventory_item *item, struct buf *bytes)
{
	const struct lint_target *t = NULL;

	if (item->size <= LINT_PAGE_MAX)
		t = lint_ask_item(l, item);
	/* G001 is for pages in UTF-8. */
	if (t == NULL || t->status != STATUS_SUCCESS ||
	    (item->page && lint_is_utf8(t)) ||
	    !slice_equal_nocase(
		slice_head(slice_str(t->meta), strlen(t->meta) < 5 ? 0 : 5),
		SLICE("text/")))
		return;
	buf_reset(bytes);
	if (inventory_load(l->host, item->path, bytes))
		text_check_bytes(l, item, t, buf_view(bytes));
}

static void
capsule_check_texts(struct lint *l)
{
	struct buf bytes;

	buf_init(&bytes, LINT_PAGE_MAX);
	for (size_t i = 0; i < l->inventory.n; i++)
		capsule_check_text(l, &l->inventory.item[i], &bytes);
	buf_fini(&bytes);
}

static void
capsule_check_root(struct lint *l)
{
	const struct lint_target *t = lint_ask_path(l, SLICE(""));
	enum status status;

	if (t != NULL)
		t = lint_follow(l, t);
	/* Clients that ask for the root are led there. */
	if (t != NULL && t->item != NULL)
		l->linked[t->item - l->inventory.item] = true;
	if ((t == NULL || !t->denied) && answer_lacks_front(l->host, &status))
		lint_add(l, "C012", NULL, 0,
		    "no index page: a request for the capsule's root is "
		    "answered %d",
		    (int)status);
}

void
lint_capsule(struct lint *l)
{
	for (size_t i = 0; i < l->inventory.n; i++) {
		capsule_check_directories(l, i);
		capsule_check_file(l, &l->inventory.item[i]);
	}
	capsule_check_texts(l);
	capsule_check_languages(l);
	capsule_check_root(l);
	capsule_check_orphans(l);
}

enum {
	FAVICON_MAX = 1024, /* bytes: the longest emoji has some forty */
	JOINER = 0x200d,
	VARIANT_TEXT = 0xfe0e,
	VARIANT_EMOJI = 0xfe0f,
	KEYCAP = 0x20e3,
};

static bool
rune_is_within(uint32_t rune, uint32_t first, uint32_t last)
{
	return rune >= first && rune <= last;
}

/* Where Unicode has emoji: whole blocks, as it adds some every year. */
static bool
rune_is_emoji(uint32_t rune)
{
	static const struct {
		uint32_t first, last;
	} blocks[] = {
		{ 0xa9, 0xa9 }, { 0xae, 0xae }, { 0x203c, 0x203c },
		{ 0x2049, 0x2049 }, { 0x2122, 0x2122 }, { 0x2139, 0x2139 },
		{ 0x2190, 0x21ff }, /* arrows */
		{ 0x2300, 0x23ff }, /* technical */
		{ 0x24c2, 0x24c2 },
		{ 0x25a0, 0x27bf }, /* shapes, symbols, dingbats */
		{ 0x2900, 0x297f }, /* arrows */
		{ 0x2b00, 0x2bff }, /* symbols */
		{ 0x3030, 0x3030 }, { 0x303d, 0x303d }, { 0x3297, 0x3297 },
		{ 0x3299, 0x3299 }, { 0x1f000, 0x1faff }, /* pictographs */
	};

	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
		if (rune_is_within(rune, blocks[i].first, blocks[i].last))
			return true;
	return false;
}

static bool
rune_is_regional(uint32_t rune)
{
	return rune_is_within(rune, 0x1f1e6, 0x1f1ff);
}

/* What modifies the emoji before it: variants, skin, tags. */
static bool
rune_is_modifier(uint32_t rune)
{
	return rune == VARIANT_TEXT || rune == VARIANT_EMOJI ||
	       rune_is_within(rune, 0x1f3fb, 0x1f3ff) ||
	       rune_is_within(rune, 0xe0020, 0xe007f);
}

/* The rune at the front of s, which it stays at; 0 when there is none. */
static uint32_t
emoji_peek(struct slice s)
{
	uint32_t rune = 0;

	return slice_rune(s, &rune) > 0 ? rune : 0;
}

static void
emoji_drop(struct slice *s)
{
	uint32_t rune;

	*s = slice_skip(*s, slice_rune(*s, &rune));
}

/* Two letters of a flag, or a key: a digit in its box. */
static bool
emoji_take_pair(struct slice *s)
{
	uint32_t first = emoji_peek(*s);

	emoji_drop(s);
	if (rune_is_regional(first)) {
		if (!rune_is_regional(emoji_peek(*s)))
			return false;
		emoji_drop(s);
		return true;
	}
	if (emoji_peek(*s) == VARIANT_EMOJI)
		emoji_drop(s);
	if (emoji_peek(*s) != KEYCAP)
		return false;
	emoji_drop(s);
	return true;
}

/* Takes one emoji off *s, with all that a joiner joins to it. */
static bool
emoji_take(struct slice *s)
{
	uint32_t first = emoji_peek(*s);

	if (rune_is_regional(first) || rune_is_within(first, '0', '9') ||
	    first == '#' || first == '*')
		return emoji_take_pair(s);
	for (;;) {
		if (!rune_is_emoji(emoji_peek(*s)))
			return false;
		emoji_drop(s);
		while (rune_is_modifier(emoji_peek(*s)))
			emoji_drop(s);
		if (emoji_peek(*s) != JOINER)
			return true;
		emoji_drop(s);
	}
}

static bool
text_is_one_emoji(struct slice s)
{
	struct slice line, rest = s;

	return slice_line(&rest, &line) && rest.len == 0 && emoji_take(&line) &&
	       line.len == 0;
}

void
lint_favicon(struct lint *l)
{
	struct buf bytes;

	if (inventory_find(&l->inventory, FAVICON_FILE) == NULL)
		return;
	lint_plain(l, "F001", FAVICON_FILE);
	buf_init(&bytes, FAVICON_MAX);
	if (!inventory_load(l->host, FAVICON_FILE, &bytes) ||
	    !text_is_one_emoji(buf_view(&bytes)))
		lint_add(l, "F002", FAVICON_FILE, 1, "not exactly one emoji");
	buf_fini(&bytes);
}

enum { SECURITY_MAX = 64 * 1024 };

/* What was found of the fields that must be there; lines from 1, 0: none. */
struct security {
	unsigned contact;
	unsigned expires;
	struct slice when;
};

static void
security_read(struct slice rest, struct security *s)
{
	struct slice line, field, value;
	unsigned number = 0;

	while (slice_line(&rest, &line)) {
		number++;
		if (!slice_cut(line, ':', &field, &value))
			continue;
		value = slice_trim(value);
		if (slice_equal_nocase(field, SLICE("contact")) &&
		    value.len > 0) {
			s->contact = number;
		} else if (slice_equal_nocase(field, SLICE("expires")) &&
			   s->expires == 0) {
			s->expires = number;
			s->when = value;
		}
	}
}

static void
security_check_expires(struct lint *l, const struct security *s)
{
	int64_t moment;

	if (s->expires == 0)
		lint_add(l, "W002", SECURITY_FILE, 0, "missing Expires");
	else if (!moment_parse(s->when, &moment))
		lint_add(l, "W002", SECURITY_FILE, s->expires,
		    "invalid Expires: not a date and time such as "
		    "2026-11-22T12:00:00Z");
	else if (moment < l->now)
		lint_add(l, "W002", SECURITY_FILE, s->expires,
		    "expired at %.*s", SLICE_ARGS(s->when));
}

void
lint_well_known(struct lint *l)
{
	struct security s = { 0 };
	struct buf bytes;

	if (inventory_find(&l->inventory, SECURITY_FILE) == NULL)
		return;
	lint_plain(l, "W001", SECURITY_FILE);
	buf_init(&bytes, SECURITY_MAX);
	if (inventory_load(l->host, SECURITY_FILE, &bytes)) {
		security_read(buf_view(&bytes), &s);
		if (s.contact == 0)
			lint_add(
			    l, "W002", SECURITY_FILE, 0, "missing Contact");
		security_check_expires(l, &s);
	} else {
		lint_add(l, "W002", SECURITY_FILE, 0,
		    "unreadable, or larger than %d KiB", SECURITY_MAX / 1024);
	}
	buf_fini(&bytes);
}
