/* SPDX-License-Identifier: ISC */
/* What may follow what in a configuration. libconfig refuses the same, but says
 * only "syntax error"; here the token is named. Depends on options. */
#ifndef CONF_GRAMMAR_H
#define CONF_GRAMMAR_H

#include "util/buf.h"

enum token {
	TOKEN_NAME,
	TOKEN_VALUE, /* a number, true or false */
	TOKEN_TEXT,
	TOKEN_OTHER, /* a word that is none of these */
	TOKEN_OPEN,
	TOKEN_CLOSE,
	TOKEN_EQUALS,
	TOKEN_SEMICOLON,
	TOKEN_COMMA,
	TOKEN_END, /* of the file */
};

/* What is expected next. */
enum grammar_state {
	GRAMMAR_NAME,   /* a name, or the end of the group */
	GRAMMAR_EQUALS, /* what follows a name */
	GRAMMAR_VALUE,  /* what follows '=' */
	GRAMMAR_AFTER,  /* ';', a name, or the end of the group */
	GRAMMAR_FIRST,  /* an entry of a list, or its end */
	GRAMMAR_ENTRY,  /* an entry */
	GRAMMAR_COMMA,  /* ',' or the end of the list */
	GRAMMAR_WRONG,
};

/* Zeroed: the beginning of a file. */
struct grammar {
	enum grammar_state state;
	enum token last;
};

/* Where a token is that grammar_take refused. */
struct grammar_place {
	struct slice shown; /* the token, as it is written */
	const char *quote;  /* put around it */
	struct slice name;  /* of the option whose value it might be */
	uint8_t open;       /* bracket that it is in; 0: none */
	unsigned open_line; /* 0: in another file */
	bool same_line;     /* as the token before */
};

/* The kind of a word: what is between blanks, brackets and '"', '=', ':', ';'
 * and ','. */
enum token grammar_word(struct slice word);

/* Whether libconfig has a type for a number: it hands 4294967297 on as 1. */
bool grammar_number_fits(struct slice word);

/* The bytes before the digits of a number that count, if zeros are among them:
 * libconfig 1.5 reads 017 as 17, newer versions as octal. */
size_t grammar_zeros(struct slice word);

/* True, and a message in out, when a word holds what only looks like a space,
 * or is not seen at all. */
bool grammar_space(struct slice word, struct buf *out);

/* Takes the next token; in is the bracket that is open after it, or 0. False,
 * and nothing changes: it may not be here. */
bool grammar_take(struct grammar *g, enum token t, uint8_t in);

/* Appends to out why grammar_take refused t. True: the message is about the
 * token before t. */
bool grammar_explain(const struct grammar *g, enum token t,
    const struct grammar_place *place, struct buf *out);

#endif
