/* SPDX-License-Identifier: ISC */
#include "support/random.h"

#include <time.h>
#include <unistd.h>

static uint64_t random_state;

void
random_start(void)
{
	const char *seed = getenv("SEED");
	uint64_t n = seed != NULL
			 ? strtoull(seed, NULL, 10)
			 : (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid();

	printf("SEED=%llu\n", (unsigned long long)n);
	fflush(stdout);
	random_state = n * 2 + 1; /* xorshift never leaves 0 */
}

size_t
random_below(size_t n)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (size_t)((random_state * 0x2545f4914f6cdd1dULL >> 33) % n);
}

void
random_words(struct buf *out, const char *const *words, size_t n, size_t most)
{
	for (size_t i = random_below(most + 1); i > 0; i--)
		buf_str(out, words[random_below(n)]);
}

void
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
		buf_byte(b, b->ptr[b->len - 1]);
		break;
	}
}
