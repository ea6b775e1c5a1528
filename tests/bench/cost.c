/* SPDX-License-Identifier: ISC */
/* cost FILE COMMAND...: runs it, and writes to FILE as JSON how long it took,
 * its CPU time and its peak memory. From here, for a child of a large parent
 * has the parent's peak. The exit status is the command's. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double
seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

int
main(int argc, char **argv)
{
	double began = now(), took;
	struct rusage used;
	FILE *out;
	pid_t pid;
	int status;

	if (argc < 3)
		return 2;
	pid = fork();
	if (pid == 0) {
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	if (pid == -1 || wait4(pid, &status, 0, &used) == -1)
		return 126;
	took = now() - began;
	out = fopen(argv[1], "w");
	if (out == NULL) {
		fprintf(stderr, "%s: %s\n", argv[1], strerror(errno));
		return 126;
	}
	fprintf(out, "{\"seconds\": %.6f, \"cpu\": %.6f, \"kb\": %ld}\n", took,
	    seconds(used.ru_utime) + seconds(used.ru_stime), used.ru_maxrss);
	if (fclose(out) != 0)
		return 126;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 125;
}
