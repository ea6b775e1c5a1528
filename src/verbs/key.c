/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/options.h"
#include "os/file.h"
#include "util/log.h"
#include "verbs/args.h"
#include "verbs/key_word.h"
#include "verbs/verbs.h"

enum { OPTION_JSON = ARGS_LONG };

enum {
	KEY_PATH_MAX = 4096,
	KEY_JSON_MAX = 6 * KEY_PATH_MAX + 1024,
	PUBLIC_FILE_MAX = 512,
	SECRET_MODE = 0600,
	PUBLIC_MODE = 0644,
};

const char key_usage[] =
    "usage: carnation key new NAME\n"
    "       carnation key show [--json] FILE...\n"
    "\n"
    "  new     makes a pair of keys to sign what is published: NAME.sec, the "
    "secret one,\n"
    "          for publish alone, and NAME.pub, for all who mirror the "
    "capsule; never\n"
    "          touches a file that is there\n"
    "  show    the number and the text of the public key in each FILE, or of "
    "the pair\n"
    "          that a secret key in it belongs to; FILE may also be a public "
    "key's text\n"
    "\n"
    "  --json  show as a JSON list\n"
    "\n"
    "signify(1) reads these keys, and its own (made with signify -G -n) are "
    "read here.\n";

/* ------------------------------------------------------------------- new */

struct pair {
	const char *name; /* behind the last slash */
	struct buf sec;   /* paths */
	struct buf pub;
};

/* False, and a message, when no key can be called so. */
static bool
name_pair(const char *path, struct pair *p)
{
	const char *slash = strrchr(path, '/');
	struct slice name;

	p->name = slash == NULL ? path : slash + 1;
	name = slice_str(p->name);
	if (slice_ends(name, SLICE(".pub")) ||
	    slice_ends(name, SLICE(".sec"))) {
		fprintf(stderr,
		    "carnation key: leave out %.4s, which is added\n",
		    p->name + name.len - strlen(".pub"));
		return false;
	}
	if (!signify_name(name) || p->name[0] == '.') {
		fprintf(stderr, "carnation key: no name for a key\n");
		return false;
	}
	return buf_printf(&p->sec, "%s.sec", path) &&
	       buf_printf(&p->pub, "%s.pub", path) &&
	       buf_cstr(&p->sec) != NULL && buf_cstr(&p->pub) != NULL;
}

/* Makes a file, or says why not. */
static bool
create(struct buf *path, struct slice bytes, mode_t mode)
{
	if (file_create(buf_cstr(path), bytes, mode))
		return true;
	if (errno == EEXIST)
		log_error("%s is there already and has not been touched",
		    buf_cstr(path));
	else
		log_error("%s: %s", buf_cstr(path), strerror(errno));
	return false;
}

static bool
write_pair(struct pair *p, const struct signify_secret *s)
{
	uint8_t secret_memory[SIGNIFY_SECRET_MAX];
	uint8_t public_memory[PUBLIC_FILE_MAX];
	struct buf secret, public;
	struct signify_key k;
	bool ok;

	buf_wrap(&secret, secret_memory, sizeof(secret_memory));
	buf_wrap(&public, public_memory, sizeof(public_memory));
	signify_public(s, &k);
	ok = signify_secret_format(s, p->name, &secret) &&
	     signify_key_format(&k, p->name, &public);
	if (!ok)
		log_error("%s: too long a name", p->name);
	/* The public one first: a secret key is never thrown away again. */
	ok = ok && create(&p->pub, buf_view(&public), PUBLIC_MODE);
	if (ok && !create(&p->sec, buf_view(&secret), SECRET_MODE)) {
		(void)unlink(buf_cstr(&p->pub));
		ok = false;
	}
	explicit_bzero(secret_memory, sizeof(secret_memory));
	return ok;
}

static bool
print_made(struct pair *p, const struct signify_secret *s)
{
	uint8_t memory[SIGNIFY_PUBLIC_TEXT + 1];
	struct signify_key k;
	struct buf text;

	buf_wrap(&text, memory, sizeof(memory));
	signify_public(s, &k);
	if (signify_key_text(&k, &text))
		printf("%s\n", buf_cstr(&text));
	log_info("%s: the secret key, for carnation publish; it belongs on the "
		 "author's own machine, never on the server, and in a backup: "
		 "mirrors take nothing that another key has signed",
	    buf_cstr(&p->sec));
	log_info("%s: the public key; give it to those who mirror the capsule "
		 "by another way than the capsule itself: a letter, a "
		 "telephone, a page elsewhere",
	    buf_cstr(&p->pub));
	return fflush(stdout) == 0 && !ferror(stdout);
}

static int
run_new(const char *path)
{
	struct pair p = { 0 };
	struct signify_secret *s = NULL;
	int status = EXIT_FAILED;

	buf_init(&p.sec, KEY_PATH_MAX);
	buf_init(&p.pub, KEY_PATH_MAX);
	if (!name_pair(path, &p)) {
		status = EXIT_USAGE;
		goto out;
	}
	s = signify_generate();
	if (s == NULL)
		log_error("no key could be made");
	else if (write_pair(&p, s) && print_made(&p, s))
		status = EXIT_GOOD;
out:
	signify_secret_free(&s);
	buf_fini(&p.pub);
	buf_fini(&p.sec);
	return status;
}

/* ------------------------------------------------------------------ show */

struct shown {
	const char *word;
	enum key_word kind;
	char number[2 * SIGNIFY_NUMBER_SIZE + 1];
	char text[SIGNIFY_PUBLIC_TEXT + 1];
};

static void
look_at(const struct signify_key *k, struct shown *s)
{
	struct buf text;

	for (size_t i = 0; i < SIGNIFY_NUMBER_SIZE; i++)
		(void)snprintf(&s->number[2 * i], 3, "%02x", k->number[i]);
	buf_wrap(&text, s->text, sizeof(s->text));
	(void)(signify_key_text(k, &text) && buf_byte(&text, '\0'));
}

static void
print_text(const struct shown *s, struct buf *out)
{
	if (s->kind == KEY_WORD_TEXT)
		(void)buf_str(out, "a key's text");
	else
		(void)log_escape(out, slice_str(s->word));
	(void)buf_printf(out, "%s\n  number       %s\n  public key   %s\n",
	    s->kind == KEY_WORD_SECRET ? " (secret: for the author alone)" : "",
	    s->number, s->text);
}

static void
print_json(const struct shown *s, struct buf *out)
{
	static const char *const kinds[] = { "", "text", "public", "secret" };

	(void)buf_str(out, "{\"file\":");
	if (s->kind == KEY_WORD_TEXT)
		(void)buf_str(out, "null");
	else
		(void)(buf_byte(out, '"') &&
		       log_escape_json(out, slice_str(s->word)) &&
		       buf_byte(out, '"'));
	(void)buf_printf(out,
	    ",\"kind\":\"%s\",\"number\":\"%s\",\"public_key\":\"%s\"}",
	    kinds[s->kind], s->number, s->text);
}

/* first: no comma before it. The exit status. */
static int
show(const char *word, bool json, bool first)
{
	struct shown s = { .word = word };
	struct signify_key k;
	struct why why;
	struct buf out;

	s.kind = key_word_read(word, &k, &why);
	if (!key_word_good(s.kind)) {
		log_error("%s", why.text);
		return key_word_status(s.kind);
	}
	buf_init(&out, KEY_JSON_MAX);
	if (s.kind == KEY_WORD_SECRET)
		key_word_check_mode(word);
	look_at(&k, &s);
	if (json)
		(void)buf_str(&out, first ? "\n" : ",\n");
	(json ? print_json : print_text)(&s, &out);
	(void)fwrite(out.ptr, 1, out.len, stdout);
	buf_fini(&out);
	return EXIT_GOOD;
}

static int
run_show(const char *const *words, size_t n, bool json)
{
	int status = EXIT_GOOD;
	bool first = true;

	if (json)
		fputs("[", stdout);
	for (size_t i = 0; i < n; i++) {
		int one = show(words[i], json, first);

		first = first && one != EXIT_GOOD;
		if (one > status)
			status = one;
	}
	if (json)
		fputs("\n]\n", stdout);
	if ((fflush(stdout) != 0 || ferror(stdout)) && status == EXIT_GOOD)
		status = EXIT_FAILED;
	return status;
}

/* ---------------------------------------------------------- command line */

struct job {
	const char *what; /* "new", "show" */
	bool json;
	const char **words;
	size_t n_words;
};

/* False when the command line is wrong. */
static bool
parse(struct job *j, int argc, char **argv)
{
	static const struct args_option options[] = {
		{ "--json", OPTION_JSON, false },
		{ NULL, 0, false },
	};
	struct args a = {
		.verb = "key", .options = options, .argc = argc, .argv = argv
	};
	int letter;

	while ((letter = args_next(&a)) != ARGS_END) {
		if (letter == ARGS_BAD)
			return false;
		if (letter == OPTION_JSON)
			j->json = true;
		else if (j->what == NULL)
			j->what = a.value;
		else
			j->words[j->n_words++] = a.value;
	}
	if (j->what == NULL)
		fprintf(stderr, "carnation key: new or show?\n");
	return j->what != NULL;
}

static int
unknown(const char *what)
{
	static const char *const known[] = { "new", "show", NULL };
	const char *near = word_nearest(what, known);

	fprintf(stderr, "carnation key: unknown word %s%s%s%s\n", what,
	    near != NULL ? "; did you mean " : "", near != NULL ? near : "",
	    near != NULL ? "?" : "");
	return verb_misused("key");
}

static int
run(const struct job *j)
{
	bool is_new = strcmp(j->what, "new") == 0;

	if (!is_new && strcmp(j->what, "show") != 0)
		return unknown(j->what);
	if (j->n_words == 0 || (is_new && (j->n_words > 1 || j->json))) {
		fprintf(stderr, "carnation key: %s\n",
		    is_new ? "new takes one name and no option"
			   : "show takes a file, or several");
		return verb_misused("key");
	}
	return is_new ? run_new(j->words[0])
		      : run_show(j->words, j->n_words, j->json);
}

int
verb_key(int argc, char **argv)
{
	struct job j = { .words = calloc((size_t)argc, sizeof(char *)) };
	int status = EXIT_FAILED;

	if (j.words == NULL)
		log_error("out of memory");
	else if (!parse(&j, argc, argv))
		status = verb_misused("key");
	else
		status = run(&j);
	free(j.words);
	return status;
}
