/* SPDX-License-Identifier: ISC */
/* One temporary directory a test, files in it, and functions run as another
 * user. Names are relative to the directory. Whatever fails fails the test. */
#ifndef TESTS_SUPPORT_TREE_H
#define TESTS_SUPPORT_TREE_H

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

/* cmocka fixtures: make a directory of mode 0755, remove all of it. */
int tree_set_up(void **state);
int tree_tear_down(void **state);

/* The absolute path of name, of the directory itself for ""; valid until the
 * eighth call after. */
const char *tree_path(const char *name);

void tree_make_dir(const char *name);
void tree_symlink(const char *to, const char *name);
void tree_write(const char *name, const char *text);
void tree_write_bytes(const char *name, struct slice bytes);

/* Cuts a file to size bytes, or lengthens it, whatever its mode. */
void tree_truncate(const char *name, off_t size);

/* A symbolic link is not followed. */
bool tree_exists(const char *name);
struct stat tree_stat(const char *name);

/* Entries of a directory, without "." and "..". */
size_t tree_count_entries(const char *name);

void tree_check_file(const char *name, struct slice want);

/* What f(arg) returns, at most 255, in a child process: as nobody if wanted and
 * if the tests run as root. */
int tree_run_child(int (*f)(void *), void *arg, bool nobody);
int tree_run_as_nobody(int (*f)(void *), void *arg);

/* Leaves n descriptors free, counted from the lowest free one, until
 * descriptors_unlimit. */
void descriptors_limit(unsigned n);
void descriptors_unlimit(void);

/* For a child: no file may grow beyond so many bytes; beyond is EFBIG. */
void limit_file_size(rlim_t bytes);

#endif
