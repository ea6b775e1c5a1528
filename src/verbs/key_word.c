/* SPDX-License-Identifier: ISC */
#include "verbs/key_word.h"

#include <errno.h>
#include <string.h>

#include "os/file.h"
#include "tls/sign.h"
#include "util/log.h"
#include "util/secret.h"
#include "verbs/verbs.h"

/* Which kind of key the file's text is. */
static enum key_word
parse(struct slice text, const char *path, struct signify_key *out,
    struct why *why)
{
	struct signify_secret *secret;

	if (signify_key_parse(text, out))
		return KEY_WORD_PUBLIC;
	if (!secret_spotted(text)) {
		why_set(why, "%s: holds no signify key", path);
		return KEY_WORD_NONE;
	}
	secret = signify_secret_parse(text, why);
	if (secret == NULL) {
		why_at(why, "%s", path);
		return KEY_WORD_NONE;
	}
	signify_public(secret, out);
	signify_secret_free(&secret);
	return KEY_WORD_SECRET;
}

enum key_word
key_word_read(const char *word, struct signify_key *out, struct why *why)
{
	uint8_t memory[SIGNIFY_SECRET_MAX];
	enum key_word kind = KEY_WORD_NONE;
	struct buf text;

	if (strlen(word) == SIGNIFY_PUBLIC_TEXT &&
	    signify_key_parse(slice_str(word), out))
		return KEY_WORD_TEXT;
	/* On the stack, where it can be wiped whole. */
	buf_wrap(&text, memory, sizeof(memory));
	if (file_read_path(word, &text)) {
		kind = parse(buf_view(&text), word, out, why);
	} else if (errno == EFBIG) {
		why_set(why, "%s: holds no signify key", word);
	} else {
		kind = KEY_WORD_UNREAD;
		why_errno(why, word);
	}
	explicit_bzero(memory, sizeof(memory));
	return kind;
}

bool
key_word_good(enum key_word kind)
{
	return kind != KEY_WORD_NONE && kind != KEY_WORD_UNREAD;
}

int
key_word_status(enum key_word kind)
{
	if (key_word_good(kind))
		return EXIT_GOOD;
	return kind == KEY_WORD_UNREAD ? EXIT_LOCAL : EXIT_USAGE;
}

enum key_word
key_word_read_public(const char *word, struct signify_key *out, struct why *why)
{
	enum key_word kind = key_word_read(word, out, why);

	if (kind == KEY_WORD_SECRET)
		log_warn("%s: is a secret key: it belongs on the author's "
			 "machine, not here",
		    word);
	return kind;
}

void
key_word_check_mode(const char *file)
{
	if (!sign_key_file_is_private(file))
		log_warn(
		    "%s: others can read this secret key: chmod 600", file);
}
