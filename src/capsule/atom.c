/* SPDX-License-Identifier: ISC */
#include "capsule/atom.h"

#include <expat.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "proto/moment.h"
#include "util/buf.h"
#include "util/list.h"

/* Names come as namespace, this, name: no name of XML holds it. */
#define SEPARATOR '|'
#define ATOM "http://www.w3.org/2005/Atom|"

enum wanted { WANT_NOTHING, WANT_ID, WANT_TITLE, WANT_UPDATED };

struct atom_reading {
	XML_Parser parser;
	struct atom *out;
	unsigned depth;
	struct atom_part *part; /* where children belong; NULL: nowhere */
	enum wanted wanted;     /* the element whose text comes */
	bool wanted_plain;      /* and it is not HTML */
	unsigned wanted_depth;
	struct buf text;
	uint8_t memory[ATOM_TEXT_MAX];
	bool short_of_memory;
};

/* Expat 2.9 has come to call the function without a width deprecated. */
static unsigned
atom_line(const struct atom_reading *r)
{
#if XML_MAJOR_VERSION > 2 || XML_MINOR_VERSION >= 9
	return (unsigned)XML_GetCurrentLineNumber64(r->parser);
#else
	return (unsigned)XML_GetCurrentLineNumber(r->parser);
#endif
}

static void
atom_stop(struct atom_reading *r, const char *fault)
{
	if (r->out->fault == NULL) {
		r->out->fault = fault;
		r->out->line = atom_line(r);
	}
	(void)XML_StopParser(r->parser, XML_FALSE);
}

static void
atom_stop_memory(struct atom_reading *r)
{
	r->short_of_memory = true;
	(void)XML_StopParser(r->parser, XML_FALSE);
}

static bool
atom_name_is(const char *name, const char *local)
{
	const size_t n = sizeof(ATOM) - 1;

	return strncmp(name, ATOM, n) == 0 && strcmp(name + n, local) == 0;
}

static const char *
atom_attribute(const char **attributes, const char *name)
{
	for (; attributes[0] != NULL; attributes += 2)
		if (strcmp(attributes[0], name) == 0)
			return attributes[1];
	return NULL;
}

static void
atom_start_entry(struct atom_reading *r)
{
	struct atom *a = r->out;
	struct atom_part *entry;

	if (a->n == ATOM_ENTRIES_MAX) {
		atom_stop(r, "too many entries");
		return;
	}
	entry = array_grow(a->entry, a->n, sizeof(*entry));
	if (entry == NULL) {
		atom_stop_memory(r);
		return;
	}
	a->entry = entry;
	r->part = &a->entry[a->n++];
	*r->part = (struct atom_part){
		.line = atom_line(r),
	};
}

static void
atom_take_link(struct atom_reading *r, const char **attributes)
{
	const char *rel = atom_attribute(attributes, "rel");
	const char *href = atom_attribute(attributes, "href");
	char **kept = NULL;

	if (rel == NULL || strcmp(rel, "alternate") == 0)
		kept = &r->part->link;
	else if (strcmp(rel, "self") == 0 && r->part == &r->out->feed)
		kept = &r->out->self;
	if (kept == NULL || *kept != NULL || href == NULL)
		return;
	*kept = strdup(href);
	if (*kept == NULL)
		atom_stop_memory(r);
}

/* A child of the feed or of an entry. */
static void
atom_start_child(
    struct atom_reading *r, const char *name, const char **attributes)
{
	const char *type;

	if (atom_name_is(name, "id"))
		r->wanted = WANT_ID;
	else if (atom_name_is(name, "title"))
		r->wanted = WANT_TITLE;
	else if (atom_name_is(name, "updated"))
		r->wanted = WANT_UPDATED;
	else if (atom_name_is(name, "link"))
		atom_take_link(r, attributes);
	type = atom_attribute(attributes, "type");
	r->wanted_plain = type == NULL || strcmp(type, "text") == 0;
	r->wanted_depth = r->depth;
	buf_wrap(&r->text, r->memory, sizeof(r->memory));
}

static void XMLCALL
atom_element_start(void *arg, const char *name, const char **attributes)
{
	struct atom_reading *r = arg;

	if (++r->depth > ATOM_DEPTH_MAX) {
		atom_stop(r, "elements nested too deeply");
		return;
	}
	if (r->depth == 1) {
		r->out->feed.line = atom_line(r);
		r->out->is_feed = atom_name_is(name, "feed");
		r->part = r->out->is_feed ? &r->out->feed : NULL;
	} else if (r->depth == 2 && r->out->is_feed &&
		   atom_name_is(name, "entry")) {
		atom_start_entry(r);
	} else if (r->part != NULL && r->wanted == WANT_NOTHING &&
		   r->depth == (r->part == &r->out->feed ? 2U : 3U)) {
		atom_start_child(r, name, attributes);
	}
}

static void XMLCALL
atom_text_add(void *arg, const char *text, int len)
{
	struct atom_reading *r = arg;

	/* What is cut off matters to no check. */
	if (r->wanted != WANT_NOTHING)
		buf_put(&r->text, slice_of(text, (size_t)len));
}

static bool
atom_is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void
atom_take_title(struct atom_reading *r, struct slice text)
{
	r->part->has_title = true;
	if (r->part->title != NULL || r->text.failed || !r->wanted_plain)
		return;
	r->part->title = strndup((const char *)text.ptr, text.len);
	if (r->part->title == NULL)
		atom_stop_memory(r);
}

static void
atom_take_id(struct atom_reading *r, struct slice text)
{
	r->part->has_id = true;
	if (r->part->id != NULL || r->text.failed)
		return;
	r->part->id = strndup((const char *)text.ptr, text.len);
	if (r->part->id == NULL)
		atom_stop_memory(r);
}

static void
atom_take_text(struct atom_reading *r)
{
	struct slice text = buf_view(&r->text);
	int64_t moment;

	while (text.len > 0 && atom_is_space(text.ptr[0]))
		text = slice_skip(text, 1);
	while (text.len > 0 && atom_is_space(text.ptr[text.len - 1]))
		text.len--;
	if (text.len == 0 && !r->text.failed)
		return;
	if (r->wanted == WANT_ID) {
		atom_take_id(r, text);
	} else if (r->wanted == WANT_TITLE) {
		atom_take_title(r, text);
	} else {
		r->part->has_updated = true;
		/* An invalid date does not make the rest invalid. */
		r->part->dated =
		    moment_parse(text, &moment) && text.len > 10 &&
		    subscription_date(slice_head(text, 10), &r->part->day);
	}
}

static void XMLCALL
atom_element_end(void *arg, const char *name)
{
	struct atom_reading *r = arg;

	(void)name;
	if (r->wanted != WANT_NOTHING && r->depth == r->wanted_depth) {
		atom_take_text(r);
		r->wanted = WANT_NOTHING;
	}
	if (r->depth == 2 && r->part != NULL)
		r->part = &r->out->feed;
	r->depth--;
}

static void XMLCALL
atom_doctype_refuse(void *arg, const char *name, const char *system,
    const char *public, int internal)
{
	(void)name;
	(void)system;
	(void)public;
	(void)internal;
	atom_stop(arg, "a DOCTYPE is not allowed");
}

static void
atom_parse(struct atom_reading *r, struct slice bytes)
{
	enum XML_Error error;

	XML_SetUserData(r->parser, r);
	XML_SetElementHandler(r->parser, atom_element_start, atom_element_end);
	XML_SetCharacterDataHandler(r->parser, atom_text_add);
	XML_SetStartDoctypeDeclHandler(r->parser, atom_doctype_refuse);
	if (XML_Parse(r->parser, (const char *)bytes.ptr, (int)bytes.len, 1) ==
	    XML_STATUS_OK)
		return;
	error = XML_GetErrorCode(r->parser);
	if (error == XML_ERROR_NO_MEMORY)
		r->short_of_memory = true;
	else if (error != XML_ERROR_ABORTED)
		atom_stop(r, XML_ErrorString(error));
}

bool
atom_read(struct slice bytes, struct atom *out)
{
	struct atom_reading r = { .out = out };

	*out = (struct atom){ 0 };
	if (!slice_utf8(bytes) || bytes.len > INT_MAX) {
		out->fault = "not UTF-8";
		return true;
	}
	r.parser = XML_ParserCreateNS("UTF-8", SEPARATOR);
	if (r.parser == NULL)
		return false;
	atom_parse(&r, bytes);
	XML_ParserFree(r.parser);
	if (r.short_of_memory)
		atom_fini(out);
	return !r.short_of_memory;
}

void
atom_fini(struct atom *a)
{
	for (size_t i = 0; i < a->n; i++) {
		free(a->entry[i].id);
		free(a->entry[i].link);
		free(a->entry[i].title);
	}
	free(a->entry);
	free(a->feed.id);
	free(a->feed.link);
	free(a->feed.title);
	free(a->self);
	*a = (struct atom){ 0 };
}
