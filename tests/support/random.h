/* SPDX-License-Identifier: ISC */
/* Random input that can be repeated: SEED=n in the environment. */
#ifndef TESTS_SUPPORT_RANDOM_H
#define TESTS_SUPPORT_RANDOM_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/buf.h"

/* Takes SEED, or the time and the process, and prints it. */
void random_start(void);

/* A number below n, which is not 0. */
size_t random_below(size_t n);

/* A member of an array. */
#define RANDOM_OF(list) ((list)[random_below(sizeof(list) / sizeof((list)[0]))])

/* Appends up to most of the n words, in any order. */
void
random_words(struct buf *out, const char *const *words, size_t n, size_t most);

/* Changes, removes or doubles one byte of b. */
void random_damage(struct buf *b);

#endif
