/* SPDX-License-Identifier: ISC */
/* Random input that can be had again: SEED=n in the environment. */
#ifndef TESTS_RANDOM_H
#define TESTS_RANDOM_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "util/buf.h"

static uint64_t random_state;

/* Takes SEED or makes one, and prints it. */
static inline void
random_start(void)
{
	const char *seed = getenv("SEED");
	uint64_t n = seed != NULL
			 ? strtoull(seed, NULL, 10)
			 : (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid();

	printf("SEED=%llu\n", (unsigned long long)n);
	(void)fflush(stdout);
	random_state = n * 2 + 1; /* xorshift never leaves 0 */
}

/* A number below n. xorshift64*, by Vigna. */
static inline size_t
random_below(size_t n)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (size_t)((random_state * 0x2545f4914f6cdd1dULL >> 33) % n);
}

#define RANDOM_OF(list) ((list)[random_below(sizeof(list) / sizeof((list)[0]))])

/* Appends up to most of the n words, in any order. */
static inline void
random_words(struct buf *out, const char *const *words, size_t n, size_t most)
{
	for (size_t i = random_below(most + 1); i > 0; i--)
		(void)buf_str(out, words[random_below(n)]);
}

/* Changes, drops or doubles a byte of b's, anywhere. */
static inline void
random_damage(struct buf *b)
{
	size_t at;

	if (b->len == 0)
		return;
	at = random_below(b->len);
	switch (random_below(3)) {
	case 0:
		b->ptr[at] = (uint8_t)random_below(256);
		break;
	case 1:
		memmove(b->ptr + at, b->ptr + at + 1, b->len - at - 1);
		buf_truncate(b, b->len - 1);
		break;
	default:
		(void)buf_byte(b, b->ptr[b->len - 1]);
		break;
	}
}

#endif
