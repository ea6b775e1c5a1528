/* SPDX-License-Identifier: ISC */
#include "client/exchange.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "client/tofu.h"
#include "proto/response.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/why.h"
#include "verbs/args.h"
#include "verbs/fetch_output.h"
#include "verbs/verbs.h"

enum { OPTION_TIMEOUT = ARGS_LONG, OPTION_CERT, OPTION_KEY, OPTION_KNOWN };

enum {
	FETCH_TIMEOUT_MAX_S = 86400,
	NOTES_MAX = 16 * 1024,
	FETCH_CLASSES = 10, /* codes of one class; their first is the status */
	CONTROL_C = 3,
};

const char fetch_usage[] =
    "usage: carnation fetch [-o FILE] [--timeout SECONDS] [--cert FILE --key "
    "FILE]\n"
    "                       [--known-hosts FILE] URL\n"
    "\n"
    "Asks for a page and writes its body to stdout, its header to stderr.\n"
    "\n"
    "  -o, --output FILE    write the body to FILE, which appears when it is "
    "whole\n"
    "  --timeout SECONDS    patience with a silent server (30)\n"
    "  --cert, --key FILE   a client certificate, shown to the URL's own "
    "host only\n"
    "  --known-hosts FILE   servers' keys as first seen "
    "($XDG_DATA_HOME/carnation/\n"
    "                       known_hosts)\n"
    "\n"
    "Follows up to 5 redirects to other gemini URLs. Passes the server's "
    "questions on\n"
    "when stdin is a terminal.\n"
    "Exit status: 0 a page, whole; 1 none, or its end is missing; 2 wrong "
    "usage; 10\n"
    "input wanted; 30 too many redirects, or one to another scheme; 40, 50, "
    "60 by the\n"
    "class of the server's refusal.\n";

struct job {
	const char *url;
	const char *file;
	const char *cert;
	const char *key;
	char *known_hosts;
	long timeout_s;
	struct tls_client *tls;   /* shows nothing */
	struct tls_client *shown; /* the client certificate, or NULL */
	struct target first;
	struct target target;
	struct fetch_output out;
	int status;
	uint8_t meta[RESPONSE_META_MAX];
	size_t meta_len;
};

/* Several lines for a person, as several messages. */
static void
say(void (*log)(const char *format, ...), struct slice lines)
{
	struct slice line;

	while (slice_line(&lines, &line))
		log("%.*s", SLICE_ARGS(line));
}

static bool
on_trust(void *arg, const struct target *t, const struct cert *c)
{
	const struct job *j = arg;
	enum tofu verdict;
	struct buf said;

	buf_init(&said, NOTES_MAX);
	verdict = tofu_judge(j->known_hosts, t, c, clock_wall(), &said);
	if (!tofu_accepts(verdict))
		say(log_error, buf_view(&said));
	else
		say(verdict == TOFU_NEW ? log_info : log_warn, buf_view(&said));
	buf_fini(&said);
	return tofu_accepts(verdict);
}

static bool
on_header(void *arg, int status, struct slice meta)
{
	uint8_t memory[SCREEN_GROWTH * RESPONSE_HEADER_MAX];
	struct job *j = arg;
	struct buf line;

	buf_wrap(&line, memory, sizeof(memory));
	buf_printf(&line, "%d ", status);
	log_escape(&line, meta);
	buf_byte(&line, '\n');
	fwrite(line.ptr, 1, line.len, stderr);
	j->status = status;
	j->meta_len = meta.len;
	memcpy(j->meta, meta.ptr, meta.len);
	return status / FETCH_CLASSES != 2 ||
	       fetch_output_open(&j->out, j->file);
}

static bool
on_body(void *arg, struct slice bytes)
{
	struct job *j = arg;

	return fetch_output_write(&j->out, bytes);
}

/* Redirects and questions lead elsewhere: a certificate is not for there. */
static const struct tls_client *
client_for(const struct job *j)
{
	bool home = strcmp(j->target.host, j->first.host) == 0 &&
		    j->target.port == j->first.port;

	return j->shown != NULL && home ? j->shown : j->tls;
}

/* One request: false when there is no answer to go by. */
static bool
ask_once(struct job *j)
{
	struct fetch_visitor visitor = { .trust = on_trust,
		.header = on_header,
		.body = on_body,
		.arg = j };
	enum fetch_result result;
	struct why why;
	bool cut, success;

	j->status = 0;
	j->out = (struct fetch_output){ 0 };
	result = fetch(
	    &j->target, client_for(j), (unsigned)j->timeout_s, &visitor, &why);
	cut = result == FETCH_CUT;
	success = j->status / FETCH_CLASSES == 2;
	if (result == FETCH_FAILED)
		log_error("%s", why.text);
	if (cut)
		log_error("no close_notify came: %s",
		    success ? "the page may have been cut off"
			    : "the answer may not be the server's");
	if (success && !fetch_output_close(&j->out, result == FETCH_DONE))
		return false;
	return result == FETCH_DONE;
}

/* A line from the terminal without its end, or NULL. The caller wipes and
 * frees. */
static char *
read_answer(bool secret, struct slice prompt)
{
	struct termios before, during;
	size_t size = 0;
	char *line = NULL;
	ssize_t len;

	if (secret && tcgetattr(STDIN_FILENO, &before) == -1)
		return NULL;
	if (secret) {
		/* No signal may leave the terminal mute. */
		during = before;
		during.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &during);
	}
	fprintf(stderr, "%.*s: ", SLICE_ARGS(prompt));
	len = getline(&line, &size, stdin);
	if (secret) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
		fputc('\n', stderr);
	}
	if (len > 0 && strchr(line, CONTROL_C) == NULL) {
		line[strcspn(line, "\n")] = '\0';
		return line;
	}
	if (line != NULL)
		explicit_bzero(line, size);
	free(line);
	return NULL;
}

/* The server's question, answered: false when there is nobody to ask. */
static bool
ask_person(struct job *j)
{
	uint8_t memory[SCREEN_GROWTH * RESPONSE_META_MAX];
	bool fits = false;
	struct buf prompt;
	char *answer;

	if (isatty(STDIN_FILENO) != 1)
		return false;
	buf_wrap(&prompt, memory, sizeof(memory));
	log_escape(&prompt, slice_of(j->meta, j->meta_len));
	answer =
	    read_answer(j->status == STATUS_SENSITIVE_INPUT, buf_view(&prompt));
	if (answer == NULL)
		return false;
	fits = target_answer(&j->target, slice_str(answer));
	if (!fits)
		log_error("too long: a URL has at most 1024 bytes");
	explicit_bzero(answer, strlen(answer));
	free(answer);
	return fits;
}

static bool
follow(struct job *j)
{
	enum target_result result;
	struct why why;

	result = target_follow(
	    &j->target, slice_of(j->meta, j->meta_len), &j->target, &why);
	if (result == TARGET_OTHER_SCHEME)
		log_error("the redirect leaves Gemini: not followed");
	else if (result == TARGET_BAD)
		log_error("cannot follow the redirect: %s", why.text);
	return result == TARGET_OK;
}

/* From one answer to the next; the exit status. */
static int
converse(struct job *j)
{
	int class, redirects = 0;

	for (;;) {
		if (!ask_once(j))
			return EXIT_FAILED;
		class = j->status / FETCH_CLASSES;
		if (class == 2)
			return EXIT_GOOD;
		if (class == 1 && ask_person(j))
			continue;
		if (class != 3)
			return class * FETCH_CLASSES;
		if (++redirects > STATUS_REDIRECTS_MAX) {
			log_error("more than %d redirects",
			    (int)STATUS_REDIRECTS_MAX);
			return class * FETCH_CLASSES;
		}
		if (!follow(j))
			return class * FETCH_CLASSES;
	}
}

static bool
load_shown(struct job *j, struct why *why)
{
	struct sign_key *key = NULL;
	struct cert *cert;

	if (j->cert == NULL)
		return true;
	cert = cert_load(j->cert, why);
	if (cert != NULL)
		key = sign_key_load(j->key, why);
	if (key != NULL)
		j->shown = tls_client_new(cert, key, why);
	cert_free(&cert);
	sign_key_free(&key);
	return j->shown != NULL;
}

static bool
find_known_hosts(struct job *j)
{
	char *data;

	if (j->known_hosts != NULL)
		return true;
	data = default_data_dir();
	if (data == NULL ||
	    asprintf(&j->known_hosts, "%s/known_hosts", data) == -1)
		j->known_hosts = NULL;
	free(data);
	if (j->known_hosts == NULL)
		log_error("no place for known hosts: neither XDG_DATA_HOME nor "
			  "HOME is set; give --known-hosts");
	return j->known_hosts != NULL;
}

static int
run(struct job *j)
{
	enum target_result parsed;
	int status = EXIT_FAILED;
	struct why why;

	parsed = target_parse(slice_str(j->url), &j->first, &why);
	if (parsed == TARGET_OTHER_SCHEME)
		why_set(&why, "not a gemini URL");
	if (parsed != TARGET_OK) {
		log_error("%s: %s", j->url, why.text);
		status = EXIT_USAGE;
	} else if (find_known_hosts(j)) {
		j->target = j->first;
		j->tls = tls_client_new(NULL, NULL, &why);
		if (j->tls != NULL && load_shown(j, &why))
			status = converse(j);
		else
			log_error("%s", why.text);
	}
	tls_client_free(&j->tls);
	tls_client_free(&j->shown);
	return status;
}

static bool
wrong(const char *why)
{
	fprintf(stderr, "carnation fetch: %s\n", why);
	return false;
}

/* False when the command line is wrong. */
static bool
parse(struct job *j, int argc, char **argv)
{
	static const struct args_option options[] = {
		{ "--output", 'o', true },
		{ "--timeout", OPTION_TIMEOUT, true },
		{ "--cert", OPTION_CERT, true },
		{ "--key", OPTION_KEY, true },
		{ "--known-hosts", OPTION_KNOWN, true },
		{ NULL, 0, false },
	};
	struct args a = {
		.verb = "fetch", .options = options, .argc = argc, .argv = argv
	};

	for (;;) {
		switch (args_next(&a)) {
		case ARGS_END:
			if (j->url == NULL)
				return wrong("name a URL");
			return (j->cert == NULL) == (j->key == NULL) ||
			       wrong("--cert and --key go together");
		case ARGS_WORD:
			if (j->url != NULL)
				return wrong("one URL, no more");
			j->url = a.value;
			break;
		case 'o':
			j->file = a.value;
			break;
		case OPTION_TIMEOUT:
			if (!args_number(&a, "--timeout", 1,
				FETCH_TIMEOUT_MAX_S, &j->timeout_s))
				return false;
			break;
		case OPTION_CERT:
			j->cert = a.value;
			break;
		case OPTION_KEY:
			j->key = a.value;
			break;
		case OPTION_KNOWN:
			free(j->known_hosts);
			j->known_hosts = strdup(a.value);
			break;
		default:
			return false;
		}
	}
}

int
verb_fetch(int argc, char **argv)
{
	struct job j = { .timeout_s = FETCH_TIMEOUT_S };
	int status;

	signal(SIGPIPE, SIG_IGN); /* a closed pipe or socket is an error code */
	status = parse(&j, argc, argv) ? run(&j) : verb_misused("fetch");
	free(j.known_hosts);
	return status;
}
