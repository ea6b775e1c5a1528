/* SPDX-License-Identifier: ISC */
#include "util/json.h"

#include <assert.h>
#include <inttypes.h>

#include "util/log.h"

static bool
in_list(const struct json *j)
{
	return j->depth > 0 && (j->lists >> (j->depth - 1) & 1) == 1;
}

/* What stands before a value. */
static void
value_begin(struct json *j, const char *name)
{
	if (j->comma)
		buf_byte(j->out, ',');
	if (name != NULL)
		buf_printf(j->out, "\"%s\":", name);
	j->comma = true;
}

static void
level_open(struct json *j, const char *name, char bracket, bool list)
{
	/* Whole objects of a list on lines of their own, for people. */
	bool line = !list && in_list(j);

	assert(j->depth < JSON_DEPTH_MAX);
	value_begin(j, name);
	if (line)
		buf_byte(j->out, '\n');
	buf_byte(j->out, (uint8_t)bracket);
	j->lists &= ~(UINT32_C(1) << j->depth);
	j->lists |= (uint32_t)list << j->depth;
	j->depth++;
	j->comma = false;
}

void
json_object(struct json *j, const char *name)
{
	level_open(j, name, '{', false);
}

void
json_list(struct json *j, const char *name)
{
	level_open(j, name, '[', true);
}

void
json_end(struct json *j)
{
	assert(j->depth > 0);
	buf_byte(j->out, in_list(j) ? ']' : '}');
	j->depth--;
	j->comma = true;
	if (j->depth == 0)
		buf_byte(j->out, '\n');
}

void
json_slice(struct json *j, const char *name, struct slice s)
{
	value_begin(j, name);
	buf_byte(j->out, '"');
	log_escape_json(j->out, s);
	buf_byte(j->out, '"');
}

void
json_text(struct json *j, const char *name, const char *text)
{
	if (text == NULL)
		json_null(j, name);
	else
		json_slice(j, name, slice_str(text));
}

void
json_number(struct json *j, const char *name, uint64_t n)
{
	value_begin(j, name);
	buf_printf(j->out, "%" PRIu64, n);
}

void
json_bool(struct json *j, const char *name, bool b)
{
	value_begin(j, name);
	buf_str(j->out, b ? "true" : "false");
}

void
json_null(struct json *j, const char *name)
{
	value_begin(j, name);
	buf_str(j->out, "null");
}
