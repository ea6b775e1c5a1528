/* SPDX-License-Identifier: ISC */
#include "tls/parts.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

enum { TEXT_MAX = 256 };

/* The parts of a process are read once, so each row gets a process. */
static void
in_child(void (*check)(void), const char *without)
{
	pid_t child = fork();
	int status;

	assert_int_not_equal(child, -1);
	if (child == 0) {
		if (without != NULL)
			setenv(TLS_PARTS_VARIABLE, without, 1);
		else
			unsetenv(TLS_PARTS_VARIABLE);
		check();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void
check_text(const char *want)
{
	uint8_t memory[TEXT_MAX];
	struct buf text;

	buf_wrap(&text, memory, sizeof(memory));
	if (!tls_parts_put(&text) ||
	    !slice_equal(buf_view(&text), slice_str(want)))
		_exit(1);
}

static void
check_all(void)
{
	struct why why;

	if (!tls_parts_check(&why) || !tls_parts_all())
		_exit(1);
	check_text("all");
}

static void
check_some(void)
{
	struct why why;

	if (tls_part_on(TLS_PART_MEMORY) || !tls_part_on(TLS_PART_SENDING) ||
	    tls_part_on(TLS_PART_KEY_PAIR) || !tls_parts_check(&why))
		_exit(1);
	check_text("without memory, key-pair");
}

static void
check_failed(void)
{
	tls_part_fail(TLS_PART_CONTEXT, "self-test failed");
	/* Off by the environment already: that remains the reason. */
	tls_part_fail(TLS_PART_SESSIONS, "self-test failed");
	check_text("without sessions, context (self-test failed)");
}

static void
check_unknown(void)
{
	struct why why;

	if (tls_parts_check(&why) ||
	    !slice_starts(slice_str(why.text),
		SLICE("CARNATION_WITHOUT: unknown part: \"fast\" (")))
		_exit(1);
}

static void
test_all_are_on_by_default(void **state)
{
	(void)state;
	in_child(check_all, NULL);
	in_child(check_all, "");
}

static void
test_the_environment_turns_parts_off(void **state)
{
	(void)state;
	in_child(check_some, "key-pair,memory");
}

static void
test_a_failure_is_reported(void **state)
{
	(void)state;
	in_child(check_failed, "sessions");
}

static void
test_an_unknown_part_is_an_error(void **state)
{
	(void)state;
	in_child(check_unknown, "memory,fast,sending,faster");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_are_on_by_default),
		cmocka_unit_test(test_the_environment_turns_parts_off),
		cmocka_unit_test(test_a_failure_is_reported),
		cmocka_unit_test(test_an_unknown_part_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
