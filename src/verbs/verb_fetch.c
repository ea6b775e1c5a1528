/* SPDX-License-Identifier: ISC */
#include "client/exchange.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "client/tofu.h"
#include "proto/response.h"
#include "util/clock.h"
#include "util/fd.h"
#include "util/log.h"
#include "verbs/fetch_broker.h"
#include "verbs/fetch_output.h"
#include "verbs/verb_sandbox.h"
#include "verbs/verbs.h"

enum {
	FETCH_TIMEOUT_MAX_S = 86400,
	FETCH_MAX_GIB = 1,
	FETCH_CLASSES = 10, /* codes of one class; their first is the status */
};

/* ------------------------------------------------------------ the requests */

struct fetch_job {
	const char *url;
	const char *file;
	const char *cert;
	const char *key;
	const char *known_hosts;
	uint64_t timeout_s, max_size;
	bool allow_truncated;
	struct tls_client *tls;   /* shows nothing */
	struct tls_client *shown; /* the client certificate, or NULL */
	struct target first;
	struct target target;
	struct fetch_broker broker;
	struct fetch_output out;
	int status;
	bool too_large;
	uint8_t meta[RESPONSE_META_MAX];
	size_t meta_len;
};

/* Several lines for a person, as several messages. */
static void
lines_log(void (*log)(const char *format, ...), struct slice lines)
{
	struct slice line;

	while (slice_line(&lines, &line))
		log("%.*s", SLICE_ARGS(line));
}

static bool
on_trust(void *arg, const struct target *t, const struct cert *c)
{
	const struct fetch_job *j = arg;
	char place[TOFU_PLACE_SIZE];
	struct tofu_shown shown;
	enum tofu trust;
	struct buf notes;

	buf_init(&notes, FETCH_NOTES_MAX);
	trust = tofu_describe(t, c, place, &shown, &notes)
		    ? fetch_broker_judge(&j->broker, place, &shown, &notes)
		    : TOFU_REFUSED;
	if (trust == TOFU_REFUSED)
		lines_log(log_error, buf_view(&notes));
	else
		lines_log(
		    trust == TOFU_NEW ? log_info : log_warn, buf_view(&notes));
	buf_fini(&notes);
	return trust != TOFU_REFUSED;
}

/* Whether a person can answer the server's question. */
static bool
input_is_possible(const struct fetch_job *j)
{
	return j->status / FETCH_CLASSES == 1 && isatty(STDIN_FILENO) == 1;
}

static bool
on_header(void *arg, int status, struct slice meta)
{
	uint8_t memory[SCREEN_GROWTH * RESPONSE_HEADER_MAX];
	struct fetch_job *j = arg;
	bool success = status / FETCH_CLASSES == 2;
	struct buf line;

	j->status = status;
	j->meta_len = meta.len;
	memcpy(j->meta, meta.ptr, meta.len);
	/* The prompt will be the question, once is enough. */
	if (!input_is_possible(j)) {
		buf_wrap(&line, memory, sizeof(memory));
		buf_printf(&line, "%d ", status);
		log_escape(&line, meta);
		buf_byte(&line, '\n');
		fwrite(line.ptr, 1, line.len, stderr);
	}
	if (success && meta.len == 0)
		log_warn("the server sends no type; text/gemini is assumed");
	return !success || fetch_output_open(&j->out, j->file, &j->broker);
}

static bool
on_body(void *arg, struct slice bytes)
{
	struct fetch_job *j = arg;
	uint64_t room = j->max_size - j->out.bytes;

	j->too_large = bytes.len > room;
	if (j->too_large)
		bytes = slice_head(bytes, (size_t)room);
	return (bytes.len == 0 || fetch_output_write(&j->out, bytes)) &&
	       !j->too_large;
}

/* A redirect may lead to another host, which must not see the certificate. */
static const struct tls_client *
tls_choose(const struct fetch_job *j)
{
	bool home = strcmp(j->target.host, j->first.host) == 0 &&
		    j->target.port == j->first.port;

	return j->shown != NULL && home ? j->shown : j->tls;
}

static volatile sig_atomic_t interrupted; /* the signal that arrived */

static void
on_interrupt(int number)
{
	interrupted = number;
}

enum { CAUGHT = 4 };
static const int caught[CAUGHT] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

/* Until signals_restore, a signal that ends programs only sets interrupted, and
 * interrupts what waits. A second one ends the program. Where it is ignored, as
 * SIGINT in the background of a script, it remains so. */
static void
signals_catch(struct sigaction before[CAUGHT])
{
	struct sigaction a = { .sa_handler = on_interrupt,
		.sa_flags = (int)SA_RESETHAND };

	sigemptyset(&a.sa_mask);
	for (int i = 0; i < CAUGHT; i++) {
		sigaction(caught[i], NULL, &before[i]);
		if (before[i].sa_handler != SIG_IGN)
			sigaction(caught[i], &a, NULL);
	}
}

/* Then ends as the signal would have ended the program if one arrived: a shell
 * wants to see that. */
static void
signals_restore(const struct sigaction before[CAUGHT])
{
	for (int i = 0; i < CAUGHT; i++)
		sigaction(caught[i], &before[i], NULL);
	if (interrupted != 0)
		raise(interrupted);
}

/* Says why the answer is not complete. */
static void
failure_report(
    struct fetch_job *j, enum fetch_result result, const struct why *why)
{
	bool success = j->status / FETCH_CLASSES == 2;

	if (result == FETCH_DONE)
		return;
	fetch_output_end_line(&j->out);
	if (result == FETCH_FAILED)
		log_error("%s", why->text);
	else if (result == FETCH_CUT)
		log_error("no close_notify came: %s",
		    success ? "the page may have been cut off"
			    : "the answer may not be the server's");
	else if (interrupted != 0)
		log_error("interrupted");
	else if (j->too_large)
		log_error("the page is larger than %" PRIu64
			  " bytes (see --max-size)",
		    j->max_size);
}

/* One request: false when it had no complete answer. */
static bool
request_once(struct fetch_job *j)
{
	const struct fetch_handler handler = { .trust = on_trust,
		.header = on_header,
		.body = on_body,
		.arg = j,
		.stop = &interrupted };
	enum fetch_result result;
	struct sigaction before[CAUGHT];
	bool whole, closed = true;
	struct why why;

	j->status = 0;
	j->out = (struct fetch_output){ 0 };
	signals_catch(before);
	result = fetch(
	    &j->target, tls_choose(j), (unsigned)j->timeout_s, &handler, &why);
	whole =
	    result == FETCH_DONE || (result == FETCH_CUT && j->allow_truncated);
	failure_report(j, result, &why);
	if (j->status / FETCH_CLASSES == 2)
		closed = fetch_output_close(&j->out, whole);
	signals_restore(before);
	return closed && result == FETCH_DONE;
}

/* A line from the terminal without its end, or NULL. The caller wipes and
 * frees. */
static char *
answer_read(bool secret, struct slice prompt)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	struct termios before, during;
	struct sigaction action[CAUGHT];
	size_t size = 0;
	char *line = NULL;
	ssize_t len = -1;

	if (secret && tcgetattr(STDIN_FILENO, &before) == -1)
		return NULL;
	signals_catch(action);
	if (secret) {
		/* Nothing may stop the program while the terminal is mute. */
		during = before;
		during.c_lflag &= ~(tcflag_t)ECHO;
		during.c_cc[VSUSP] = _POSIX_VDISABLE;
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &during);
	}
	fprintf(stderr, "%.*s: ", SLICE_ARGS(prompt));
	if (dial_wait(&input, 1, UINT64_MAX, &interrupted))
		len = getline(&line, &size, stdin);
	if (secret)
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	if (secret || len <= 0)
		fputc('\n', stderr);
	signals_restore(action);
	if (len > 0) {
		line[strcspn(line, "\n")] = '\0';
		return line;
	}
	if (line != NULL)
		explicit_bzero(line, size);
	free(line);
	return NULL;
}

/* A key such as Ctrl-Z or an arrow, which nobody sees where there is no echo. */
static bool
answer_has_control(const char *answer)
{
	for (; *answer != '\0'; answer++)
		if (iscntrl((unsigned char)*answer))
			return true;
	return false;
}

/* Answers the server's question; false when there is no terminal. */
static bool
input_ask(struct fetch_job *j)
{
	uint8_t memory[SCREEN_GROWTH * RESPONSE_META_MAX];
	bool fits = false;
	struct buf prompt;
	char *answer;

	if (!input_is_possible(j)) {
		log_error("the server asks for input: add ?ANSWER to the URL");
		return false;
	}
	buf_wrap(&prompt, memory, sizeof(memory));
	log_escape(&prompt, slice_of(j->meta, j->meta_len));
	answer =
	    answer_read(j->status == STATUS_SENSITIVE_INPUT, buf_view(&prompt));
	if (answer == NULL)
		return false;
	if (answer_has_control(answer))
		log_error("the answer contains a control character");
	else if (!(fits = target_answer(&j->target, slice_str(answer))))
		log_error("too long: a URL has at most 1024 bytes");
	explicit_bzero(answer, strlen(answer));
	free(answer);
	return fits;
}

static bool
redirect_follow(struct fetch_job *j)
{
	enum target_result result;
	struct why why;

	result = target_follow(
	    &j->target, slice_of(j->meta, j->meta_len), &j->target, &why);
	if (result == TARGET_OTHER_SCHEME)
		log_error("cannot follow the redirect: not a gemini URL");
	else if (result == TARGET_BAD)
		log_error("cannot follow the redirect: %s", why.text);
	return result == TARGET_OK;
}

/* Requests until there is an answer that is not followed; the exit status. */
static enum result
fetch_follow(struct fetch_job *j)
{
	int class, redirects = 0;

	for (;;) {
		if (!request_once(j))
			return RESULT_FAILED;
		class = j->status / FETCH_CLASSES;
		if (class == 2)
			return RESULT_GOOD;
		if (class == 1 && input_ask(j))
			continue;
		if (class == 6 && j->cert == NULL)
			log_error("the server asks for a client certificate: "
				  "use --cert FILE --key FILE");
		if (class != 3)
			return (enum result)(class * FETCH_CLASSES);
		if (++redirects > STATUS_REDIRECTS_MAX) {
			log_error("more than %d redirects",
			    (int)STATUS_REDIRECTS_MAX);
			return (enum result)(class * FETCH_CLASSES);
		}
		if (!redirect_follow(j))
			return (enum result)(class * FETCH_CLASSES);
	}
}

static bool
shown_load(struct fetch_job *j, struct why *why)
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

/* The client's certificate and key have been read. All other files are the
 * broker's. */
static bool
sandbox_begin(struct fetch_job *j)
{
	struct verb_sandbox none = { 0 };

	return fetch_broker_start(&j->broker, j->known_hosts, j->file) &&
	       verb_sandbox_enter(&none, SANDBOX_CLIENT);
}

static enum result
fetch_start(struct fetch_job *j)
{
	enum result result = RESULT_FAILED;
	struct why why;

	j->target = j->first;
	j->tls = tls_client_new(NULL, NULL, &why);
	if (j->tls == NULL || !shown_load(j, &why))
		log_error("%s", why.text);
	else if (sandbox_begin(j))
		result = fetch_follow(j);
	tls_client_free(&j->tls);
	tls_client_free(&j->shown);
	fetch_broker_free(&j->broker);
	return result;
}

static bool
url_check(const char *text, struct why *why)
{
	struct target target;

	switch (target_parse(slice_str(text), &target, why)) {
	case TARGET_OK:
		return true;
	case TARGET_OTHER_SCHEME:
		return why_set(why, "%s: not a gemini URL", text);
	case TARGET_BAD:
		break;
	}
	return why_at(why, "%s", text);
}

/* Also /dev/stdout, a link which leads to a file when a shell says so: nothing
 * may be put in its place. */
static bool
is_standard_output(const char *file)
{
	struct stat link, to, out;

	return strcmp(file, "-") == 0 ||
	       (lstat(file, &link) == 0 && S_ISLNK(link.st_mode) &&
		   stat(file, &to) == 0 && fstat(STDOUT_FILENO, &out) == 0 &&
		   to.st_dev == out.st_dev && to.st_ino == out.st_ino);
}

static enum result
fetch_run(void *job)
{
	struct fetch_job *j = job;
	enum result result;
	struct why why;
	char *path;

	signal(SIGPIPE, SIG_IGN); /* a closed pipe or socket is an error code */
	if ((j->cert == NULL) != (j->key == NULL))
		return verb_misused("--cert and --key must be given together");
	target_parse(slice_str(j->url), &j->first, &why);
	if (j->file != NULL && is_standard_output(j->file))
		j->file = NULL;
	path = j->known_hosts == NULL ? default_known_hosts() : NULL;
	if (j->known_hosts == NULL)
		j->known_hosts = path;
	result = fetch_start(j);
	free(path);
	return result;
}

/* clang-format off */
const struct verb verb_fetch = {
	.name = "fetch",
	.summary = "a small client",
	.about = "Requests a page and writes its body to stdout, its header to "
		 "stderr.\n",
	.notes =
	    "Follows up to 5 redirects to other gemini URLs. Asks the server's "
	    "questions when stdin is a terminal.\n"
	    "Exit status: 0 a whole page; 1 none, or its end is missing (also "
	    "with --allow-truncated); 2 wrong usage; 10 input wanted; 30 too many redirects, or one to "
	    "another scheme; 40, 50, 60 by the class of the server's "
	    "refusal.\n",
	.args = (const struct arg[]){
		{ "--output", 'o', "FILE",
		    "write the body to FILE, which appears when it is whole; "
		    "- is the standard output",
		    ARG_TEXT(struct fetch_job, file) },
		{ "--timeout", 0, "SECONDS",
		    "how long to wait for a silent server (30)",
		    ARG_NUMBER(struct fetch_job, timeout_s, 1,
			FETCH_TIMEOUT_MAX_S) },
		{ "--max-size", 0, "SIZE", "the largest body accepted (1G)",
		    ARG_SIZE(struct fetch_job, max_size, 1, INT64_MAX) },
		{ "--allow-truncated", 0, NULL,
		    "keep a page whose end may be missing as if it were whole",
		    ARG_FLAG(struct fetch_job, allow_truncated) },
		{ "--cert", 0, "FILE",
		    "a client certificate, shown to the URL's own host only; "
		    "with --key",
		    ARG_TEXT(struct fetch_job, cert) },
		{ "--key", 0, "FILE", "the private key of --cert",
		    ARG_TEXT(struct fetch_job, key) },
		{ "--known-hosts", 0, "FILE",
		    "the servers' keys as first seen "
		    "($XDG_DATA_HOME/carnation/known_hosts)",
		    ARG_TEXT(struct fetch_job, known_hosts) },
		{ "URL", 0, NULL, NULL, ARG_TEXT(struct fetch_job, url),
		    .check = url_check },
		{ .name = NULL },
	},
	.job_size = sizeof(struct fetch_job),
	.defaults = &(const struct fetch_job){
		.timeout_s = FETCH_TIMEOUT_S,
		.max_size = (uint64_t)FETCH_MAX_GIB << 30,
		.broker.fd = -1,
	},
	.run = fetch_run,
};
/* clang-format on */
