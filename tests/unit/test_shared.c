/* SPDX-License-Identifier: ISC */
#include "support/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "os/shared.h"

enum { SIZE = 8192 };

static int
in_a_child(int (*f)(volatile char *, int *), volatile char *memory, int *fd)
{
	pid_t child = fork();
	int status = 0;

	if (child == 0)
		_exit(f(memory, fd));
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 100;
}

static int
write_there(volatile char *memory, int *fd)
{
	(void)fd;
	memory[SIZE - 1] = 'c';
	return memory[0] == 'p' ? 0 : 1;
}

static void
test_all_may_write(void **state)
{
	volatile char *memory = shared_new(SIZE);

	(void)state;
	assert_non_null(memory);
	assert_int_equal(memory[0], 0);
	memory[0] = 'p';
	assert_int_equal(in_a_child(write_there, memory, NULL), 0);
	assert_int_equal(memory[SIZE - 1], 'c');
	shared_free((void *)(uintptr_t)memory, SIZE, NULL);
	assert_null(shared_new(0));
}

/* The child sees what the parent writes later, and has no way to write. */
static int
only_read(volatile char *memory, int *fd)
{
	void *here = (void *)(uintptr_t)memory;
	int copy = dup(*fd);

	if (shared_read_only(here, SIZE, fd) == -1 || *fd != -1)
		return 1;
	if (memory[0] != 'p')
		return 2;
	if (mprotect(here, SIZE, PROT_READ | PROT_WRITE) != -1)
		return 3;
	if (mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, copy, 0) !=
	    MAP_FAILED)
		return 4;
	if (write(copy, "x", 1) != -1)
		return 5;
	return ftruncate(copy, 0) == -1 ? 0 : 6;
}

static void
test_sealed(void **state)
{
	int fd = -1;
	volatile char *memory = shared_new_sealed(SIZE, &fd);

	(void)state;
	assert_non_null(memory);
	assert_int_not_equal(fd, -1);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	memory[0] = 'p';
	assert_int_equal(in_a_child(only_read, memory, &fd), 0);
	memory[1] = 'q'; /* the parent still can */
	shared_free((void *)(uintptr_t)memory, SIZE, &fd);
	assert_int_equal(fd, -1);
	shared_free(NULL, SIZE, &fd);
}

static void
test_failures(void **state)
{
	int fd = -1;
	char here[1];

	(void)state;
	assert_int_equal(shared_read_only(here, SIZE, &fd), -1);
	assert_null(shared_new_sealed(SIZE_MAX, &fd));
	assert_int_equal(fd, -1);
	assert_null(shared_new_sealed(0, &fd));
	assert_int_equal(fd, -1);
}

/* What only one process needs is no other's business. */
static int
forget(volatile char *memory, int *fd)
{
	void *more = shared_new(SIZE);
	void *here = (void *)(uintptr_t)memory;
	unsigned char pages[SIZE / 4096 + 1];

	(void)fd;
	if (more == NULL || mincore(here, SIZE, pages) == -1)
		return 1;
	shared_forget_all();
	if (mincore(here, SIZE, pages) != -1 || errno != ENOMEM ||
	    mincore(more, SIZE, pages) != -1 || errno != ENOMEM)
		return 2;
	shared_free(here, SIZE, NULL);
	return 0;
}

static void
test_forget(void **state)
{
	int fd;
	void *memory = shared_new(SIZE), *sealed = shared_new_sealed(SIZE, &fd);

	(void)state;
	assert_non_null(memory);
	assert_non_null(sealed);
	assert_int_equal(in_a_child(forget, memory, NULL), 0);
	assert_int_equal(in_a_child(forget, sealed, NULL), 0);
	memset(memory, 1, SIZE);
	memset(sealed, 1, SIZE);
	shared_free(memory, SIZE, NULL);
	shared_free(sealed, SIZE, &fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_may_write),
		cmocka_unit_test(test_sealed),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_forget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
