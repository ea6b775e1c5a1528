/* SPDX-License-Identifier: ISC */
#include "verbs/verbs.h"

#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capsule/feed.h"
#include "capsule/lint.h"
#include "capsule/mime.h"
#include "capsule/plain.h"
#include "os/privs.h"
#include "tls/ctx.h"
#include "util/log.h"
#include "util/version.h"
#include "verbs/verb_sandbox.h"

#define SYSTEM_CERTS_DIR "/var/lib/carnation/certs"

enum { NAME_MAX_BYTES = 64 }; /* of what was typed as a verb */

static const struct verb *const verbs[] = {
	&verb_serve,
	&verb_check,
	&verb_cert_new,
	&verb_cert_renew,
	&verb_cert_show,
	&verb_fetch,
	&verb_lint,
	&verb_feed,
	&verb_key_new,
	&verb_key_show,
	&verb_publish,
	&verb_rollback,
	&verb_prune,
	&verb_verify,
	&verb_mirror,
	NULL,
};

/* The verb that runs, for messages. */
static const struct verb *running;

/* ------------------------------------------------------------------- help */

static void
print_paragraphs(FILE *out, const char *text, unsigned width)
{
	char line[1024];
	size_t n;

	for (; text != NULL && *text != '\0'; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		snprintf(line, sizeof(line), "%.*s", (int)n, text);
		args_print_folded(out, line, 0, 0, width);
	}
}

static void
print_usage(FILE *out, const struct verb *v)
{
	unsigned width = args_width(out);
	const char *const *form = v->forms;

	if (form == NULL)
		args_print_synopsis(out, v->name, v->args, width);
	for (; form != NULL && *form != NULL; form++) {
		unsigned at = (unsigned)fprintf(out, "%s carnation %s ",
		    form == v->forms ? "usage:" : "      ", v->name);

		args_print_folded(out, *form, at, at, width);
	}
	putc('\n', out);
	print_paragraphs(out, v->about, width);
	args_print_options(out, v->args, width);
	if (v->notes != NULL)
		putc('\n', out);
	print_paragraphs(out, v->notes, width);
}

static void
print_verbs(FILE *out)
{
	fputs("usage: carnation VERB [OPTION]... [ARGUMENT]...\n\n", out);
	for (const struct verb *const *v = verbs; *v != NULL; v++)
		fprintf(out, "  %-10s  %s\n", (*v)->name, (*v)->summary);
	fputs("  help        explain a verb: carnation help VERB\n"
	      "\n'carnation --version' names the commit and the libraries in "
	      "use.\n",
	    out);
}

/* --------------------------------------------------------------- dispatch */

/* How many of the words name v: 1, 2, or 0 when they do not. */
static int
verb_words(const struct verb *v, int n, char **words)
{
	size_t len = n > 0 ? strlen(words[0]) : 0;

	if (n > 0 && strchr(v->name, ' ') == NULL &&
	    strcmp(v->name, words[0]) == 0)
		return 1;
	return n > 1 && strncmp(v->name, words[0], len) == 0 &&
		       v->name[len] == ' ' &&
		       strcmp(v->name + len + 1, words[1]) == 0
		   ? 2
		   : 0;
}

/* Whether word is the first of v's two words. */
static bool
verb_begins(const struct verb *v, const char *word)
{
	size_t len = strlen(word);

	return strncmp(v->name, word, len) == 0 && v->name[len] == ' ';
}

static const struct verb *
verb_find(int n, char **words, int *used)
{
	for (const struct verb *const *v = verbs; *v != NULL; v++) {
		*used = verb_words(*v, n, words);
		if (*used > 0)
			return *v;
	}
	return NULL;
}

/* Words that name no verb: what the person may have meant. */
static enum result
report_unknown(int n, char **words)
{
	const char *names[sizeof(verbs) / sizeof(verbs[0]) + 1] = { NULL };
	char name[NAME_MAX_BYTES], choices[NAME_MAX_BYTES] = "";
	bool begins = false;
	const char *near;
	size_t count = 0;

	for (const struct verb *const *v = verbs; *v != NULL; v++) {
		names[count++] = (*v)->name;
		if (!verb_begins(*v, words[0]))
			continue;
		snprintf(choices + strlen(choices),
		    sizeof(choices) - strlen(choices), "%s%s",
		    begins ? ", " : "", (*v)->name + strlen(words[0]) + 1);
		begins = true;
	}
	names[count] = "help";
	if (begins && (n < 2 || words[1][0] == '-')) {
		log_error("missing word after \"%s\": %s", words[0], choices);
	} else {
		snprintf(name, sizeof(name), "%s%s%s", words[0],
		    begins ? " " : "", begins ? words[1] : "");
		near = word_nearest(name, names);
		if (near != NULL)
			log_error("unknown verb \"%s\"; did you mean \"%s\"?",
			    name, near);
		else
			log_error("unknown verb \"%s\"", name);
	}
	fprintf(stderr, "See 'carnation help%s%s'.\n", begins ? " " : "",
	    begins ? words[0] : "");
	return RESULT_USAGE;
}

/* The usage of a verb, or of all verbs that begin with one word. */
static enum result
help(int n, char **words)
{
	int used;
	const struct verb *found = verb_find(n, words, &used);
	bool any = false;

	if (n == 0 || (n == 1 && strcmp(words[0], "help") == 0)) {
		print_verbs(stdout);
		any = true;
	} else if (found != NULL && used < n) {
		log_error("too many arguments: %s", words[used]);
		return RESULT_USAGE;
	} else if (found != NULL) {
		print_usage(stdout, found);
		any = true;
	}
	for (const struct verb *const *v = verbs; *v != NULL; v++) {
		if (n != 1 || !verb_begins(*v, words[0]))
			continue;
		if (any)
			putchar('\n');
		print_usage(stdout, *v);
		any = true;
	}
	if (!any)
		return report_unknown(n, words);
	return verb_flush() ? RESULT_GOOD : RESULT_FAILED;
}

/* Takes --help out of the words before "--". */
static bool
help_wanted(int *n, char **words)
{
	for (int i = 0; i < *n && strcmp(words[i], "--") != 0; i++) {
		if (strcmp(words[i], "--help") != 0 &&
		    strcmp(words[i], "-h") != 0)
			continue;
		*n = i;
		return true;
	}
	return false;
}

/* "cert --json show" is "cert show --json": the second word of a verb may come
 * after options. */
static void
second_word_move(int n, char **words)
{
	char *pair[2] = { words[0], NULL };
	int used;

	for (int i = 2;
	     i < n && words[1][0] == '-' && strcmp(words[i - 1], "--") != 0;
	     i++) {
		pair[1] = words[i];
		if (verb_find(2, pair, &used) == NULL || used != 2)
			continue;
		memmove(
		    &words[2], &words[1], (size_t)(i - 1) * sizeof(words[0]));
		words[1] = pair[1];
	}
}

static enum result
run(const struct verb *v, int n, char **words)
{
	void *job = calloc(1, v->job_size);
	enum result result;
	struct why why;

	running = v;
	log_verb(v->name);
	if (job == NULL) {
		log_error("out of memory");
		return RESULT_LOCAL;
	}
	if (v->defaults != NULL)
		memcpy(job, v->defaults, v->job_size);
	result = args_parse(v->args, n, words, job, &why)
		     ? v->run(job)
		     : verb_misused("%s", why.text);
	args_free(v->args, job);
	free(job);
	return verb_flush() || result != RESULT_GOOD ? result : RESULT_FAILED;
}

static enum result
version(const char *commit)
{
	int magic = mime_library();

	printf("carnation %s (commit %s, %s, libmagic %d.%02d)\n",
	    CARNATION_VERSION, commit, tls_library(), magic / 100, magic % 100);
	return verb_flush() ? RESULT_GOOD : RESULT_FAILED;
}

enum result
verbs_main(int argc, char **argv, const char *commit)
{
	int n = argc - 1, used;
	char **words = argv + 1;
	bool wants_help = help_wanted(&n, words);
	const struct verb *v;

	if (argc < 2) {
		print_verbs(stderr);
		return RESULT_USAGE;
	}
	if (n > 0 && strcmp(words[0], "--version") == 0)
		return version(commit);
	if (n > 0 && strcmp(words[0], "help") == 0)
		return help(n - 1, words + 1);
	if (n > 0)
		second_word_move(n, words);
	v = verb_find(n, words, &used);
	if (wants_help)
		return help(v != NULL ? used : n > 0, words);
	return v == NULL ? report_unknown(n, words)
			 : run(v, n - used, words + used);
}

/* ----------------------------------------------------- what verbs share */

enum result
verb_misused(const char *format, ...)
{
	struct why why;
	va_list ap;

	va_start(ap, format);
	vsnprintf(why.text, sizeof(why.text), format, ap);
	va_end(ap);
	log_error("%s", why.text);
	fprintf(stderr, "See 'carnation help %s'.\n", running->name);
	return RESULT_USAGE;
}

bool
verb_confirm(const char *question, bool yes)
{
	char *line = NULL;
	size_t size = 0;

	if (yes)
		return true;
	if (isatty(STDIN_FILENO) != 1) {
		log_error("not a terminal; use --yes to proceed");
		return false;
	}
	(void)fflush(stdout);
	fprintf(stderr, "%s [y/N] ", question);
	yes = getline(&line, &size, stdin) > 0 &&
	      (line[0] == 'y' || line[0] == 'Y');
	free(line);
	return yes;
}

bool
verb_flush(void)
{
	static bool reported;

	if (fflush(stdout) == 0 && !ferror(stdout))
		return true;
	if (!reported)
		log_error("standard output: %s", strerror(errno));
	reported = true;
	return false;
}

bool
arg_check_filled(const char *text, struct why *why)
{
	return !plain_is_blank(slice_str(text)) || why_set(why, "empty value");
}

bool
arg_check_host(const char *text, struct why *why)
{
	char canonical[HOSTNAME_SIZE];

	return hostname_canonical(slice_str(text), canonical) != HOSTNAME_BAD ||
	       why_set(why, "invalid host name \"%s\"", text);
}

bool
arg_check_origin(const char *text, struct why *why)
{
	struct feed_origin origin;

	return feed_origin(slice_str(text), &origin, why);
}

bool
arg_check_level(const char *text, struct why *why)
{
	return lint_set_text(NULL, text, why);
}

bool
verb_print(struct buf *out)
{
	if (out->failed) {
		log_error("out of memory");
		return false;
	}
	if (out->len > 0)
		fwrite(out->ptr, 1, out->len, stdout);
	return verb_flush();
}

bool
verb_store_become(const char *path)
{
	struct privs p = { .wanted = true };
	const struct passwd *pw;
	struct stat st;

	if (geteuid() != 0 || stat(path, &st) == -1 || st.st_uid == 0)
		return true;
	pw = getpwuid(st.st_uid);
	p.uid = st.st_uid;
	p.gid = pw != NULL ? pw->pw_gid : st.st_gid;
	if (privs_drop(&p))
		return true;
	log_error("%s belongs to user %ju: run this command as that user", path,
	    (uintmax_t)st.st_uid);
	return false;
}

enum result
verb_store_take(const char *path, struct store **s)
{
	enum result result = RESULT_LOCAL;
	struct why why;

	*s = NULL;
	if (!verb_store_become(path) ||
	    !verb_sandbox_store(path, true, SANDBOX_AUTHOR))
		return RESULT_LOCAL;
	*s = store_open(path, false, &why);
	if (*s != NULL)
		result = store_lock(*s, &why);
	if (result == RESULT_GOOD)
		return result;
	store_close(s);
	log_error("%s", why.text);
	return result;
}

/* $XDG_DATA_HOME/carnation/name, or below ~/.local/share, or NULL. */
static char *
data_path(const char *name)
{
	const char *data = getenv("XDG_DATA_HOME");
	const char *home = getenv("HOME");
	char *path = NULL;
	int n = -1;

	if (data != NULL && data[0] == '/')
		n = asprintf(&path, "%s/carnation%s", data, name);
	else if (home != NULL && home[0] == '/')
		n = asprintf(&path, "%s/.local/share/carnation%s", home, name);
	return n == -1 ? NULL : path;
}

char *
default_known_hosts(void)
{
	return data_path("/known_hosts");
}

char *
default_certs_dir(void)
{
	return geteuid() == 0 ? strdup(SYSTEM_CERTS_DIR) : data_path("/certs");
}
