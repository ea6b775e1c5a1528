/* SPDX-License-Identifier: ISC */
/* A glob of n elements, each a set of bytes, is a machine of n + 1 states:
 * state i means that the first i elements have been matched. All states that
 * the machine may be in are kept at once, a bit each, so that no byte is read
 * twice: fnmatch(3) goes back at each '*', and parses a class again each
 * time. */
#include "util/glob.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

enum {
	BYTES = 256,
	WORD_BITS = 64,
	WORDS = (GLOB_MAX + 1) / WORD_BITS,
	CLASS_NAME_MAX = 6, /* "xdigit" */
};

_Static_assert(WORDS *WORD_BITS == GLOB_MAX + 1, "a bit for each state");

struct machine {
	uint64_t accept[BYTES][WORDS]; /* states that a byte leads on from */
	uint64_t any[WORDS];           /* states that each byte leads on from */
	uint64_t loop[WORDS];          /* states with a '*': any byte stays */
	unsigned n;
};

/* A set of bytes. */
struct set {
	uint64_t bits[BYTES / WORD_BITS];
};

static void
bit_put(uint64_t *bits, unsigned i)
{
	bits[i / WORD_BITS] |= UINT64_C(1) << i % WORD_BITS;
}

static bool
bit_get(const uint64_t *bits, unsigned i)
{
	return (bits[i / WORD_BITS] >> i % WORD_BITS & 1) != 0;
}

static bool
class_has(const char *name, size_t len, int c)
{
	static const struct {
		const char *name;
		int (*is)(int);
	} classes[] = {
		{ "alnum", isalnum },
		{ "alpha", isalpha },
		{ "blank", isblank },
		{ "cntrl", iscntrl },
		{ "digit", isdigit },
		{ "graph", isgraph },
		{ "lower", islower },
		{ "print", isprint },
		{ "punct", ispunct },
		{ "space", isspace },
		{ "upper", isupper },
		{ "xdigit", isxdigit },
	};

	for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++)
		if (strlen(classes[i].name) == len &&
		    memcmp(classes[i].name, name, len) == 0)
			return classes[i].is(c) != 0;
	return false;
}

/* Adds "[:name:]" at p to s. Returns what follows it, or NULL when there is
 * none at p. */
static const char *
class_parse(const char *p, struct set *s)
{
	const char *end;

	if (p[0] != '[' || p[1] != ':')
		return NULL;
	end = strstr(p + 2, ":]");
	if (end == NULL || end - (p + 2) > CLASS_NAME_MAX)
		return NULL;
	for (unsigned c = 0; c < BYTES; c++)
		if (class_has(p + 2, (size_t)(end - (p + 2)), (int)c))
			bit_put(s->bits, c);
	return end + 2;
}

/* One byte of a bracket at *p, unescaped. */
static uint8_t
bracket_byte(const char **p)
{
	if (**p == '\\' && (*p)[1] != '\0')
		++*p;
	return (uint8_t) * (*p)++;
}

/* Reads the bracket after its '[' into s. Returns what follows its ']', or NULL
 * when it has none: then the '[' stands for itself. */
static const char *
bracket_parse(const char *p, struct set *s)
{
	bool not = *p == '!' || *p == '^';
	const char *first, *next;

	memset(s, 0, sizeof(*s));
	if (not )
		p++;
	for (first = p; *p != ']' || p == first;) {
		uint8_t from, to;

		if (*p == '\0')
			return NULL;
		next = class_parse(p, s);
		if (next != NULL) {
			p = next;
			continue;
		}
		from = to = bracket_byte(&p);
		if (p[0] == '-' && p[1] != ']' && p[1] != '\0') {
			p++;
			to = bracket_byte(&p);
		}
		for (unsigned c = from; c <= to; c++)
			bit_put(s->bits, c);
	}
	for (size_t i = 0; not &&i < BYTES / WORD_BITS; i++)
		s->bits[i] = ~s->bits[i];
	return p + 1;
}

/* Adds an element that takes the bytes of s. */
static void
machine_add(struct machine *m, const struct set *s)
{
	for (unsigned i = 0; i < BYTES / WORD_BITS; i++)
		for (uint64_t left = s->bits[i]; left != 0; left &= left - 1)
			bit_put(m->accept[i * WORD_BITS +
					  (unsigned)__builtin_ctzll(left)],
			    m->n);
	m->n++;
}

/* False when the glob can match nothing: it ends with a '\'. */
static bool
machine_build(struct machine *m, const char *p)
{
	memset(m, 0, sizeof(*m));
	while (*p != '\0') {
		const char *after = NULL;
		struct set s;

		if (*p == '*') {
			bit_put(m->loop, m->n);
			p++;
			continue;
		}
		if (*p == '?') {
			bit_put(m->any, m->n++);
			p++;
			continue;
		}
		if (*p == '[')
			after = bracket_parse(p + 1, &s);
		if (after != NULL) {
			machine_add(m, &s);
			p = after;
			continue;
		}
		if (*p == '\\' && *++p == '\0')
			return false;
		bit_put(m->accept[(uint8_t)*p++], m->n++);
	}
	return true;
}

static bool
machine_run(const struct machine *m, const char *text)
{
	uint64_t state[WORDS] = { 1 };
	unsigned words = m->n / WORD_BITS + 1;

	for (; *text != '\0'; text++) {
		const uint64_t *accept = m->accept[(uint8_t)*text];
		uint64_t carry = 0, alive = 0;

		for (unsigned i = 0; i < words; i++) {
			uint64_t on = state[i] & (accept[i] | m->any[i]);

			state[i] = (on << 1 | carry) | (state[i] & m->loop[i]);
			carry = on >> (WORD_BITS - 1);
			alive |= state[i];
		}
		if (alive == 0)
			return false;
	}
	return bit_get(state, m->n);
}

/* Whether text ends as every text must that glob, which begins with a wildcard
 * or a '\\', matches: with what follows the last of those in glob. */
static bool
glob_tail_matches(const char *glob, const char *text)
{
	size_t len = strlen(glob), at = len, n = strlen(text);

	while (strchr("*?[]\\", glob[at - 1]) == NULL)
		at--;
	if (glob[at - 1] == '\\' && at < len)
		at++; /* what it escapes is left to the machine */
	return len - at <= n && strcmp(glob + at, text + n - (len - at)) == 0;
}

bool
glob_match(const char *glob, const char *text)
{
	size_t plain = strcspn(glob, GLOB_SPECIALS);
	struct machine m;

	/* A quick test that decides most globs. */
	if (strncmp(glob, text, plain) != 0)
		return false;
	glob += plain;
	text += plain;
	if (*glob == '\0')
		return *text == '\0';
	if (strcmp(glob, "*") == 0)
		return true;
	return strnlen(glob, GLOB_MAX + 1) <= GLOB_MAX &&
	       glob_tail_matches(glob, text) && machine_build(&m, glob) &&
	       machine_run(&m, text);
}
