/* SPDX-License-Identifier: ISC */
/* Stands in for libFuzzer where a corpus is only replayed: each file named as
 * an argument goes once through the target. Depends on libc. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

enum { INPUT_MAX = 4 << 20 };

/* The target's; the second one is optional, as with libFuzzer. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

/* A copy of exactly its size, so that one byte too far is seen by a sanitizer.
 * The caller frees; NULL with a message when the file cannot be read. */
static uint8_t *
input_read(const char *path, size_t *size)
{
	FILE *file = fopen(path, "rb");
	uint8_t *all = malloc(INPUT_MAX);
	uint8_t *copy = NULL;

	if (file == NULL || all == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		goto out;
	}
	*size = fread(all, 1, INPUT_MAX, file);
	if (ferror(file) || !feof(file)) {
		fprintf(stderr, "%s: unreadable or too long\n", path);
		goto out;
	}
	copy = malloc(*size > 0 ? *size : 1);
	if (copy != NULL && *size > 0)
		memcpy(copy, all, *size);
out:
	free(all);
	if (file != NULL)
		fclose(file);
	return copy;
}

static int
replay_here(const char *path)
{
	size_t size = 0;
	uint8_t *data = input_read(path, &size);

	if (data == NULL)
		return EXIT_FAILURE;
	/* Its result only says whether the input is worth keeping. */
	(void)LLVMFuzzerTestOneInput(data, size);
	free(data);
	return EXIT_SUCCESS;
}

/* In a child of its own: a crash names its input and hides no other one. */
static int
replay(const char *path)
{
	int status = 0;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0)
		exit(replay_here(path));
	if (pid == -1 || waitpid(pid, &status, 0) == -1) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFSIGNALED(status))
		fprintf(stderr, "%s: %s\n", path, strsignal(WTERMSIG(status)));
	else
		fprintf(stderr, "%s: failed\n", path);
	return -1;
}

int
main(int argc, char **argv)
{
	int passed = 0, failed = 0;

	if (LLVMFuzzerInitialize != NULL)
		LLVMFuzzerInitialize(&argc, &argv);
	for (int i = 1; i < argc; i++) {
		if (replay(argv[i]) == 0)
			passed++;
		else
			failed++;
	}
	printf("%d passed, %d failed\n", passed, failed);
	return failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
