/* SPDX-License-Identifier: ISC */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "os/file.h"
#include "tls/sign.h"
#include "util/json.h"
#include "util/log.h"
#include "util/secret.h"
#include "verbs/verbs.h"

enum {
	KEY_PATH_MAX = 4096,
	KEY_JSON_MAX = 16 * 1024 * 1024,
	PUBLIC_FILE_MAX = 512,
	SECRET_MODE = 0600,
	PUBLIC_MODE = 0644,
};

/* ---------------------------------------------------------------- reading */

static enum result
key_read_text(struct slice text, const char *path, struct signify_key *out,
    enum key_kind *kind, struct why *why)
{
	struct signify_secret *secret;

	*kind = KEY_PUBLIC;
	if (signify_key_parse(text, out))
		return RESULT_GOOD;
	*kind = KEY_SECRET;
	if (!secret_spotted(text)) {
		why_set(why, "%s: not a signify key", path);
		return RESULT_USAGE;
	}
	secret = signify_secret_parse(text, why);
	if (secret == NULL) {
		why_at(why, "%s", path);
		return RESULT_USAGE;
	}
	signify_public(secret, out);
	signify_secret_free(&secret);
	return RESULT_GOOD;
}

enum result
key_read(const char *word, struct signify_key *out, enum key_kind *kind,
    struct why *why)
{
	uint8_t memory[SIGNIFY_SECRET_MAX];
	enum result result = RESULT_USAGE;
	struct buf text;

	*kind = KEY_TEXT;
	if (strlen(word) == SIGNIFY_PUBLIC_TEXT &&
	    signify_key_parse(slice_str(word), out))
		return RESULT_GOOD;
	/* On the stack, where it can be wiped whole. */
	buf_wrap(&text, memory, sizeof(memory));
	if (file_read_path(word, &text)) {
		result = key_read_text(buf_view(&text), word, out, kind, why);
	} else if (errno == EFBIG) {
		why_set(why, "%s: not a signify key", word);
	} else {
		result = RESULT_LOCAL;
		why_errno(why, word);
	}
	explicit_bzero(memory, sizeof(memory));
	return result;
}

enum result
key_read_public(const char *option, const char *word, struct signify_key *out)
{
	enum key_kind kind;
	struct why why;
	enum result result = key_read(word, out, &kind, &why);

	if (result != RESULT_GOOD)
		log_error("%s: %s", option, why.text);
	else if (kind == KEY_SECRET)
		log_warn("%s: a secret key; keep it on the author's machine, "
			 "not here",
		    word);
	return result;
}

void
key_check_mode(const char *file)
{
	if (!sign_key_file_is_private(file))
		log_warn("%s: other users can read this secret key (chmod 600)",
		    file);
}

/* ------------------------------------------------------------------- new */

struct pair {
	const char *name; /* after the last slash */
	struct buf sec;   /* paths */
	struct buf pub;
};

/* RESULT_USAGE after a message when path cannot name a key. */
static enum result
pair_name(const char *path, struct pair *p)
{
	const char *slash = strrchr(path, '/');
	struct slice name;

	p->name = slash == NULL ? path : slash + 1;
	name = slice_str(p->name);
	if (slice_ends(name, SLICE(".pub")) || slice_ends(name, SLICE(".sec")))
		return verb_misused("invalid key name \"%s\" (leave out %s)",
		    p->name, p->name + name.len - strlen(".pub"));
	if (!signify_name(name) || p->name[0] == '.')
		return verb_misused("invalid key name \"%s\"", p->name);
	return buf_printf(&p->sec, "%s.sec", path) &&
		       buf_printf(&p->pub, "%s.pub", path) &&
		       buf_cstr(&p->sec) != NULL && buf_cstr(&p->pub) != NULL
		   ? RESULT_GOOD
		   : verb_misused("%s: name too long", path);
}

static bool
key_file_create(struct buf *path, struct slice bytes, mode_t mode)
{
	if (file_create(buf_cstr(path), bytes, mode))
		return true;
	if (errno == EEXIST)
		log_error("%s: exists already and has not been changed",
		    buf_cstr(path));
	else
		log_error("%s: %s", buf_cstr(path), strerror(errno));
	return false;
}

static bool
pair_save(struct pair *p, const struct signify_secret *s)
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
		log_error("%s: name too long", p->name);
	/* The public one first: a secret key is never thrown away again. */
	ok = ok && key_file_create(&p->pub, buf_view(&public), PUBLIC_MODE);
	if (ok && !key_file_create(&p->sec, buf_view(&secret), SECRET_MODE)) {
		unlink(buf_cstr(&p->pub));
		ok = false;
	}
	explicit_bzero(secret_memory, sizeof(secret_memory));
	return ok;
}

static void
pair_print(struct pair *p, const struct signify_secret *s)
{
	uint8_t memory[SIGNIFY_PUBLIC_TEXT + 1];
	struct signify_key k;
	struct buf text;

	buf_wrap(&text, memory, sizeof(memory));
	signify_public(s, &k);
	if (signify_key_text(&k, &text))
		printf("%s\n", buf_cstr(&text));
	log_info("%s: the secret key, for carnation publish; keep it on the "
		 "author's machine, never on the server, and in a backup: "
		 "mirrors refuse what another key has signed",
	    buf_cstr(&p->sec));
	log_info("%s: the public key; give it to those who mirror the capsule, "
		 "by another way than the capsule itself: by mail, by "
		 "telephone, on another site",
	    buf_cstr(&p->pub));
}

struct new_job {
	const char *name;
};

static enum result
key_new_run(void *job)
{
	const struct new_job *j = job;
	struct pair p = { 0 };
	struct signify_secret *s = NULL;
	enum result result;

	buf_init(&p.sec, KEY_PATH_MAX);
	buf_init(&p.pub, KEY_PATH_MAX);
	result = pair_name(j->name, &p);
	if (result == RESULT_GOOD) {
		s = signify_generate();
		if (s == NULL)
			log_error("cannot generate a key");
		result =
		    s != NULL && pair_save(&p, s) ? RESULT_GOOD : RESULT_FAILED;
		if (result == RESULT_GOOD)
			pair_print(&p, s);
	}
	signify_secret_free(&s);
	buf_fini(&p.pub);
	buf_fini(&p.sec);
	return result;
}

/* clang-format off */
const struct verb verb_key_new = {
	.name = "key new",
	.summary = "make a pair of keys that sign what is published",
	.about =
	    "Makes a pair of keys to sign what is published: NAME.sec, the "
	    "secret one, for publish alone, and NAME.pub, for all who mirror "
	    "the capsule. A file that exists is never touched. signify(1) "
	    "reads these keys.\n",
	.args = (const struct arg[]){
		{ "NAME", 0, NULL, NULL, ARG_TEXT(struct new_job, name) },
		{ .name = NULL },
	},
	.job_size = sizeof(struct new_job),
	.run = key_new_run,
};
/* clang-format on */

/* ------------------------------------------------------------------- show */

struct show_job {
	struct arg_list words;
	bool json;
};

struct shown {
	const char *word;
	enum key_kind kind;
	char number[SIGNIFY_NUMBER_TEXT];
	char text[SIGNIFY_PUBLIC_TEXT + 1];
};

static void
shown_set(const struct signify_key *k, struct shown *s)
{
	struct buf text;

	signify_number_text(k->number, s->number);
	buf_wrap(&text, s->text, sizeof(s->text));
	signify_key_text(k, &text);
	buf_byte(&text, '\0');
}

static void
shown_put_text(const struct shown *s, struct buf *out)
{
	if (s->kind == KEY_TEXT)
		buf_str(out, "a key's text");
	else
		log_escape(out, slice_str(s->word));
	buf_printf(out, "%s\n  number       %s\n  public key   %s\n",
	    s->kind == KEY_SECRET ? " (secret: for the author alone)" : "",
	    s->number, s->text);
}

static void
shown_put_json(const struct shown *s, struct json *out)
{
	static const char *const kinds[] = { "text", "public", "secret" };

	json_object(out, NULL);
	json_text(out, "file", s->kind == KEY_TEXT ? NULL : s->word);
	json_text(out, "kind", kinds[s->kind]);
	json_text(out, "number", s->number);
	json_text(out, "public_key", s->text);
	json_end(out);
}

static enum result
key_show(const char *word, bool as_json, struct json *json)
{
	struct shown s = { .word = word };
	struct signify_key k;
	struct why why;
	enum result result = key_read(word, &k, &s.kind, &why);

	if (result != RESULT_GOOD) {
		log_error("%s", why.text);
		return result;
	}
	if (s.kind == KEY_SECRET)
		key_check_mode(word);
	shown_set(&k, &s);
	if (as_json)
		shown_put_json(&s, json);
	else
		shown_put_text(&s, json->out);
	return RESULT_GOOD;
}

static enum result
key_show_run(void *job)
{
	const struct show_job *j = job;
	enum result result = RESULT_GOOD;
	struct buf out;
	struct json json = { .out = &out };

	buf_init(&out, KEY_JSON_MAX);
	if (j->json)
		json_list(&json, NULL);
	for (size_t i = 0; i < j->words.n; i++) {
		enum result one = key_show(j->words.text[i], j->json, &json);

		if (one > result)
			result = one;
	}
	if (j->json)
		json_end(&json);
	if (!verb_print(&out) && result == RESULT_GOOD)
		result = RESULT_FAILED;
	buf_fini(&out);
	return result;
}

/* clang-format off */
const struct verb verb_key_show = {
	.name = "key show",
	.summary = "print what keys contain",
	.about =
	    "Prints the number and the text of the public key in each FILE, or "
	    "of the pair that a secret key belongs to; FILE may also be the "
	    "text of a public key. Keys made with signify -G -n are read, "
	    "too.\n",
	.args = (const struct arg[]){
		{ "--json", 0, NULL, "print a JSON list",
		    ARG_FLAG(struct show_job, json) },
		{ "FILE", 0, NULL, NULL,
		    ARG_LIST(struct show_job, words, SIZE_MAX) },
		{ .name = NULL },
	},
	.job_size = sizeof(struct show_job),
	.run = key_show_run,
};
/* clang-format on */
