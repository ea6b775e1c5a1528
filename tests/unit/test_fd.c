/* SPDX-License-Identifier: ISC */
#include "check.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/fd.h"

static void
test_whole(void **state)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	char bytes[8] = { 0 };
	struct buf out;

	(void)state;
	assert_true(fd_write_all(fd, SLICE("0123456789")));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	buf_init(&out, 10);
	assert_true(fd_read_all(fd, &out));
	assert_true(slice_equal(buf_view(&out), SLICE("0123456789")));
	assert_true(fd_read_all(fd, &out)); /* at its end */
	assert_int_equal(out.len, 10);
	assert_int_equal(fd_read(fd, bytes, sizeof(bytes)), 0);
	assert_int_equal(fd_read_at(fd, bytes, 4, 3), 4);
	assert_string_equal(bytes, "3456");
	assert_int_equal(fd_read_at(fd, bytes, 4, 8), 2); /* the end */
	buf_fini(&out);
	close(fd);
}

static void
test_failures(void **state)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	char byte;
	struct buf out;

	(void)state;
	assert_true(fd_write_all(fd, SLICE("0123456789")));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	buf_init(&out, 9);
	assert_false(fd_read_all(fd, &out));
	assert_int_equal(errno, EFBIG);
	buf_fini(&out);
	close(fd);
	assert_false(fd_read_all(-1, &out));
	assert_int_equal(fd_read(-1, &byte, 1), -1);
	assert_int_equal(fd_read_at(-1, &byte, 1, 0), -1);
	assert_false(fd_write_all(-1, SLICE("x")));
	assert_int_equal(errno, EBADF);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_failures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
