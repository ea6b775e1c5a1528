/* SPDX-License-Identifier: ISC */
/* Both ways of opening beneath a root, each callable by itself: for os/file.c
 * and its tests only. */
#ifndef OS_FILE_INTERNAL_H
#define OS_FILE_INTERNAL_H

#include "os/file.h"

/* As file_open_beneath, by openat2 alone. */
enum file_open
file_open_kernel(int root, const char *path, int *fd, struct stat *st);

/* As file_open_beneath, by the walk that takes no symbolic link. */
enum file_open
file_open_walk(int root, const char *path, int *fd, struct stat *st);

/* Whether the kernel has openat2 (tried once). */
bool file_has_openat2(void);

/* Makes file_open_beneath use the walk from now on, or the kernel again. */
void file_force_walk(bool force);

#endif
