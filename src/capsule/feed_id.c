/* SPDX-License-Identifier: ISC */
#include "capsule/feed_id.h"

#include <stdlib.h>
#include <string.h>

#include "tls/digest.h"
#include "util/list.h"

enum { ID_MAX = 32 * FEED_TARGET_MAX }; /* bytes; each may be escaped */

/* In the feed's own id: it must never change, and a date out of the entries
 * changes when an older one comes or the oldest goes. */
#define FEED_ID_DATE "2020"

/* Earlier versions wrote it where no origin was known (RFC 2606). */
#define NO_OWNER "tag:capsule.invalid,"

/* Of all identifiers made here; it never changes. */
static const uint8_t id_space[UUID_SIZE] = { 0x7c, 0x1f, 0x0b, 0x52, 0x9a, 0x3e,
	0x4d, 0x68, 0xb1, 0x57, 0x26, 0xe4, 0x90, 0xcd, 0x83, 0x1a };

/* An identifier that readers know. */
struct known_id {
	char *target;
	char *id;
	struct subscription_day day;
	bool made; /* here, of that day */
	size_t order;
};

struct known_ids {
	struct known_id *item; /* by target, then in the order of reading */
	size_t n;
	char *feed; /* NULL: none */
};

/* Who has an identifier. */
struct id_owner {
	const char *id;
	struct feed_entry *entry; /* NULL: the feed */
	bool shared;
};

/* RFC 4151 takes the bytes of a URI's path and query alone. What no URI holds
 * is in none of these. */
static void
id_put_specific(struct buf *out, struct slice target)
{
	for (size_t i = 0; i < target.len; i++) {
		uint8_t c = target.ptr[i];

		if (c >= 0x7f || c == '#' || c == '[' || c == ']')
			buf_printf(out, "%%%02X", c);
		else
			buf_byte(out, c);
	}
}

/* What an identifier is made of; day NULL: that of the feed. An entry may lead
 * to the feed's own page, and has another. */
static void
id_put_name(
    struct buf *out, const struct subscription_day *day, struct slice target)
{
	if (day == NULL)
		buf_str(out, FEED_ID_DATE ":feed:");
	else
		buf_printf(
		    out, "%04d-%02d-%02d:", day->year, day->month, day->day);
	id_put_specific(out, target);
}

static void
id_put_uuid(struct buf *out, struct slice name)
{
	char text[UUID_TEXT_SIZE];

	if (digest_uuid(id_space, name, text))
		buf_printf(out, "urn:uuid:%s", text);
	else
		out->failed = true;
}

/* The entries of two capsules may have the same paths: their feeds differ. */
static void
id_put_entry_uuid(struct buf *out, const char *feed,
    const struct subscription_day *day, struct slice target)
{
	struct buf name;

	buf_init(&name, ID_MAX);
	buf_printf(&name, "%s ", feed);
	id_put_name(&name, day, target);
	id_put_uuid(out, buf_view(&name));
	out->failed = out->failed || name.failed;
	buf_fini(&name);
}

static void
id_put_feed_uuid(struct buf *out, const struct feed_ids *ids)
{
	struct buf name;

	buf_init(&name, ID_MAX + ids->title.len + ids->author.len);
	id_put_name(&name, NULL, ids->page);
	buf_byte(&name, '\n');
	buf_put(&name, ids->title);
	buf_byte(&name, '\n');
	buf_put(&name, ids->author);
	id_put_uuid(out, buf_view(&name));
	out->failed = out->failed || name.failed;
	buf_fini(&name);
}

/* Of an entry, or of the feed when entry is NULL; feed is then not known. NULL:
 * out of memory. */
static char *
id_make(const struct feed_ids *ids, const char *feed,
    const struct feed_entry *entry)
{
	const struct subscription_day *day = entry != NULL ? &entry->day : NULL;
	struct slice target =
	    entry != NULL ? slice_str(entry->target) : ids->page;
	char *result = NULL;
	struct buf id;

	buf_init(&id, ID_MAX);
	if (ids->origin != NULL) {
		buf_printf(&id, "tag:%s,", ids->origin->host);
		id_put_name(&id, day, target);
	} else if (entry != NULL) {
		id_put_entry_uuid(&id, feed, day, target);
	} else {
		id_put_feed_uuid(&id, ids);
	}
	if (!id.failed)
		result = strdup(buf_cstr(&id));
	buf_fini(&id);
	return result;
}

/* Whether id is a tag: URI as it is made here, whatever its host. */
static bool
id_is_tag_of(
    const char *id, const struct subscription_day *day, const char *target)
{
	struct buf name;
	bool is;

	buf_init(&name, ID_MAX);
	buf_byte(&name, ',');
	id_put_name(&name, day, slice_str(target));
	is = strncmp(id, "tag:", 4) == 0 &&
	     slice_ends(slice_str(id), buf_view(&name));
	buf_fini(&name);
	return is;
}

static bool
id_is_uuid_of(const char *id, const char *feed,
    const struct subscription_day *day, const char *target)
{
	struct buf uuid;
	bool is;

	buf_init(&uuid, ID_MAX);
	id_put_entry_uuid(&uuid, feed, day, slice_str(target));
	is = slice_equal(slice_str(id), buf_view(&uuid));
	buf_fini(&uuid);
	return is;
}

static bool
id_has_owner(const char *id)
{
	return id != NULL && strncmp(id, NO_OWNER, sizeof(NO_OWNER) - 1) != 0;
}

/* -------------------------------------------------------- those known before */

/* The identifier is taken out of part. */
static bool
known_add(struct known_ids *k, const struct atom *a, struct atom_part *part)
{
	char *target = feed_atom_target(a, part);
	struct known_id *item;

	if (target == NULL || !id_has_owner(part->id)) {
		free(target);
		return true;
	}
	item = array_grow(k->item, k->n, sizeof(*item));
	if (item == NULL) {
		free(target);
		return false;
	}
	k->item = item;
	item += k->n;
	*item = (struct known_id){
		.target = target,
		.id = part->id,
		.day = part->day,
		.order = k->n++,
	};
	part->id = NULL;
	item->made =
	    part->dated &&
	    (id_is_tag_of(item->id, &item->day, target) ||
		(a->feed.id != NULL &&
		    id_is_uuid_of(item->id, a->feed.id, &item->day, target)));
	return true;
}

/* The feed's, unless it was made of another page. */
static bool
known_add_feed(struct known_ids *k, const struct atom *a, struct slice page)
{
	char *target;

	if (k->feed != NULL || !id_has_owner(a->feed.id))
		return true;
	target = feed_atom_target(a, &a->feed);
	if (target == NULL || slice_equal(slice_str(target), page) ||
	    !id_is_tag_of(a->feed.id, NULL, target)) {
		k->feed = strdup(a->feed.id);
		free(target);
		return k->feed != NULL;
	}
	free(target);
	return true;
}

/* From the document of h; one that is broken counts as far as it goes. */
static bool
known_read(struct known_ids *k, const struct host *h, struct slice page)
{
	struct buf bytes;
	struct atom a;
	bool ok = true;

	if (h == NULL)
		return true;
	buf_init(&bytes, FEED_MAX);
	if (inventory_load(h, FEED_FILE, &bytes)) {
		ok = atom_read(buf_view(&bytes), &a) &&
		     known_add_feed(k, &a, page);
		for (size_t i = 0; i < a.n && ok; i++)
			ok = known_add(k, &a, &a.entry[i]);
		atom_fini(&a);
	}
	buf_fini(&bytes);
	return ok;
}

static int
known_compare(const void *x, const void *y)
{
	const struct known_id *a = x, *b = y;
	int order = strcmp(a->target, b->target);

	return order != 0 ? order
			  : (a->order > b->order) - (a->order < b->order);
}

static void
known_fini(struct known_ids *k)
{
	for (size_t i = 0; i < k->n; i++) {
		free(k->item[i].target);
		free(k->item[i].id);
	}
	free(k->item);
	free(k->feed);
}

/* The identifier that an entry keeps, or NULL. */
static const char *
known_find(const struct known_ids *k, const struct feed_entry *entry)
{
	size_t low = 0, high = k->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(k->item[middle].target, entry->target) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < k->n && strcmp(k->item[low].target, entry->target) == 0;
	     low++)
		if (!k->item[low].made ||
		    subscription_days(&k->item[low].day) ==
			subscription_days(&entry->day))
			return k->item[low].id;
	return NULL;
}

/* ---------------------------------------------------------------- the choice */

static int
owner_compare(const void *x, const void *y)
{
	const struct id_owner *a = x, *b = y;

	return strcmp(a->id, b->id);
}

/* Entries that share an identifier, with each other or the feed, get one of
 * their own. */
static bool
ids_separate(
    const struct feed_ids *ids, const char *feed, struct feed_entries *entries)
{
	struct id_owner *owner = calloc(entries->n + 1, sizeof(*owner));
	size_t n = 0;
	bool ok = true;

	if (owner == NULL)
		return false;
	owner[n++].id = feed;
	for (size_t i = 0; i < entries->n; i++, n++) {
		owner[n].id = entries->item[i].id;
		owner[n].entry = &entries->item[i];
	}
	qsort(owner, n, sizeof(*owner), owner_compare);
	for (size_t i = 1; i < n; i++)
		if (strcmp(owner[i - 1].id, owner[i].id) == 0)
			owner[i - 1].shared = owner[i].shared = true;
	for (size_t i = 0; i < n && ok; i++) {
		struct feed_entry *entry = owner[i].entry;

		if (!owner[i].shared || entry == NULL)
			continue;
		free(entry->id);
		entry->id = id_make(ids, feed, entry);
		ok = entry->id != NULL;
	}
	free(owner);
	return ok;
}

static bool
ids_set(const struct feed_ids *ids, const struct known_ids *known,
    const char *feed, struct feed_entries *entries)
{
	for (size_t i = 0; i < entries->n; i++) {
		struct feed_entry *entry = &entries->item[i];
		const char *id = known_find(known, entry);

		entry->id = id != NULL ? strdup(id) : id_make(ids, feed, entry);
		if (entry->id == NULL)
			return false;
	}
	return ids_separate(ids, feed, entries);
}

char *
feed_ids_choose(const struct feed_ids *ids, struct feed_entries *entries)
{
	struct known_ids known = { 0 };
	char *feed = NULL;

	if (known_read(&known, ids->last, ids->page) &&
	    known_read(&known, ids->host, ids->page)) {
		if (known.n > 0)
			qsort(known.item, known.n, sizeof(*known.item),
			    known_compare);
		feed = known.feed != NULL ? strdup(known.feed)
					  : id_make(ids, NULL, NULL);
	}
	if (feed != NULL && !ids_set(ids, &known, feed, entries)) {
		free(feed);
		feed = NULL;
	}
	known_fini(&known);
	return feed;
}
