/* SPDX-License-Identifier: ISC */
/* For check: what is wrong with the capsules of a site, here and now. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/file.h"
#include "server/site_internal.h"
#include "util/clock.h"

enum { FOUND_MAX = 16 * 1024 * 1024 };

/* Before the file's name and the text, each with its NUL. */
struct found {
	uint32_t level;
	uint32_t line;
	uint32_t has_file;
};

void
site_look_at_roots(struct site *s, struct report *r)
{
	uint64_t until = clock_ms() + HOST_SURVEY_MS;

	for (size_t i = 0; i < s->hosts->n; i++) {
		const struct conf_text *root = &s->hosts->host[i].conf->root;

		if (s->hosts->host[i].root == -1)
			continue;
		site_survey(s, i, until, &s->surveys[i]);
		if (s->surveys[i].secret[0] != '\0')
			report_add(r, REPORT_ERROR, root->file, root->line,
			    "root \"%s\" holds a private key: %s", root->text,
			    s->surveys[i].secret);
		if (s->surveys[i].unfinished)
			report_add(r, REPORT_WARNING, root->file, root->line,
			    "root \"%s\" was not searched completely for "
			    "private keys: it has too many files",
			    root->text);
	}
}

static void
look_at_content(const struct site *s, struct report *r)
{
	for (size_t i = 0; i < s->hosts->n; i++) {
		const struct conf_text *root = &s->hosts->host[i].conf->root;
		struct buf bytes;
		bool there;

		if (s->hosts->host[i].root == -1)
			continue;
		buf_init(&bytes, HOST_CONF_MAX);
		if (site_examine(s, i, &bytes, &there, r) ==
		    SITE_CONTENT_CLOSED)
			report_add(r, REPORT_ERROR, root->file, root->line,
			    "root \"%s\": user %s cannot enter that directory",
			    root->text, s->base->privs.user);
		buf_fini(&bytes);
	}
}

static int
hex_digit(char c)
{
	const char *digits = "0123456789abcdef";
	const char *at = c == '\0' ? NULL : strchr(digits, c);

	return at == NULL ? -1 : (int)(at - digits);
}

/* Undoes the escaping of report_add, because the parent's call escapes the text
 * again. */
static void
unescape(char *text)
{
	char *to = text;

	while (*text != '\0') {
		int high = -1, low = -1;
		char byte = *text;

		if (text[0] == '\\' && text[1] == 'x')
			high = hex_digit(text[2]);
		if (high >= 0)
			low = hex_digit(text[3]);
		if (low >= 0)
			byte = (char)(16 * high + low);
		*to++ = byte;
		text += low >= 0 ? 4 : 1;
	}
	*to = '\0';
}

static bool
hand_on(int fd, const struct report_item *item)
{
	const char *file = item->file == NULL ? "" : item->file;
	const struct found head = {
		.level = item->level,
		.line = item->line,
		.has_file = item->file != NULL,
	};

	unescape(item->text);
	return file_write_all(fd, slice_of(&head, sizeof(head))) &&
	       file_write_all(fd, slice_of(file, strlen(file) + 1)) &&
	       file_write_all(fd, slice_of(item->text, strlen(item->text) + 1));
}

/* In a child: it becomes the workers' user. */
_Noreturn static void
child_run(const struct site *s, pid_t parent, int fd)
{
	struct report r = { 0 };

	if (!privs_drop(&s->base->privs) || !privs_die_with(parent))
		_exit(EXIT_FAILURE);
	look_at_content(s, &r);
	for (size_t i = 0; i < r.n; i++)
		if (!hand_on(fd, &r.items[i]))
			_exit(EXIT_FAILURE);
	_exit(r.n == r.errors + r.warnings ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* A string from what the child wrote; NULL: none. */
static const char *
take_text(struct slice *from)
{
	const char *text = (const char *)from->ptr;
	const uint8_t *end =
	    from->len == 0 ? NULL : memchr(from->ptr, '\0', from->len);

	if (end == NULL)
		return NULL;
	*from = slice_skip(*from, (size_t)(end - from->ptr) + 1);
	return text;
}

/* The parent trusts nothing of what the child writes. False: not a valid
 * report. */
static bool
take_found(struct slice *from, struct report *r)
{
	const char *file, *text;
	struct found head;

	if (from->len < sizeof(head))
		return false;
	memcpy(&head, from->ptr, sizeof(head));
	*from = slice_skip(*from, sizeof(head));
	file = take_text(from);
	text = take_text(from);
	if (file == NULL || text == NULL)
		return false;
	report_add(r,
	    head.level == REPORT_WARNING ? REPORT_WARNING : REPORT_ERROR,
	    head.has_file != 0 ? file : NULL, head.line, "%s", text);
	return true;
}

/* False: not everything was checked, or had room. */
static bool
look_as_user(const struct site *s, struct report *r)
{
	pid_t parent = getpid(), pid;
	bool read_all, good;
	struct buf found;
	int ends[2], status = -1;
	struct slice rest;

	if (pipe(ends) == -1)
		return false;
	signal(SIGCHLD, SIG_DFL); /* or its status would be lost */
	pid = fork();
	if (pid == 0) {
		(void)close(ends[0]);
		child_run(s, parent, ends[1]);
	}
	(void)close(ends[1]);
	buf_init(&found, FOUND_MAX);
	read_all = pid != -1 && file_read(ends[0], &found);
	(void)close(ends[0]);
	while (pid != -1 && waitpid(pid, &status, 0) == -1 && errno == EINTR)
		;
	rest = buf_view(&found);
	good = read_all;
	while (good && rest.len > 0)
		good = take_found(&rest, r);
	buf_fini(&found);
	return good && status == 0;
}

void
site_look(struct site *s, struct report *r)
{
	if (!s->base->privs.wanted)
		look_at_content(s, r);
	else if (!look_as_user(s, r))
		report_add(r, REPORT_ERROR, NULL, 0,
		    "not all capsules could be checked as user %s",
		    s->base->privs.user);
}
