/* SPDX-License-Identifier: ISC */
#include "verbs/verb_sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capsule/mime.h"
#include "conf/conf.h"
#include "os/file.h"
#include "tls/digest.h"
#include "util/list.h"
#include "util/log.h"

/* ----------------------------------------------------------------- places */

/* Takes fd over. */
static void
place_keep(struct verb_sandbox *s, int fd, bool write)
{
	struct sandbox_path *grown = array_grow(s->place, s->n, sizeof(*grown));

	if (grown == NULL) {
		(void)close(fd);
		s->failed = true;
		return;
	}
	s->place = grown;
	grown[s->n++] = (struct sandbox_path){ .fd = fd, .write = write };
}

/* A lack of descriptors or memory must not look like a place that is not there. */
static void
place_fail(struct verb_sandbox *s)
{
	s->failed =
	    s->failed || errno == EMFILE || errno == ENFILE || errno == ENOMEM;
}

/* False when nothing is there. What cannot be reached now cannot be reached later
 * either, sandbox or not. */
static bool
place_add(struct verb_sandbox *s, const char *path, bool write)
{
	int fd = open(path, O_PATH | O_CLOEXEC);

	if (fd != -1) {
		place_keep(s, fd, write);
		return true;
	}
	place_fail(s);
	return errno != ENOENT;
}

/* The directory that path lies in, in its place. */
static void
path_cut(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash == NULL)
		memcpy(path, ".", sizeof("."));
	else
		slash[slash == path] = '\0';
}

static bool
path_copy(char out[PATH_MAX], const char *path)
{
	size_t len = strlen(path);

	if (len >= PATH_MAX || len < sizeof(".") - 1)
		return false;
	memcpy(out, path, len + 1);
	return true;
}

void
verb_sandbox_read(struct verb_sandbox *s, const char *path)
{
	if (path != NULL)
		(void)place_add(s, path, false);
}

void
verb_sandbox_read_fd(struct verb_sandbox *s, int fd)
{
	int own = fd == -1 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (own != -1)
		place_keep(s, own, false);
	else if (fd != -1)
		place_fail(s);
}

void
verb_sandbox_write(struct verb_sandbox *s, const char *path)
{
	char part[PATH_MAX];

	if (!path_copy(part, path))
		return;
	while (!place_add(s, part, true) && strcmp(part, ".") != 0)
		path_cut(part);
}

void
verb_sandbox_output(struct verb_sandbox *s, const char *file, bool follow)
{
	char path[PATH_MAX];
	struct stat st;

	if (file == NULL)
		return;
	if (stat(file, &st) == 0 && !S_ISREG(st.st_mode) &&
	    !S_ISDIR(st.st_mode)) {
		(void)place_add(s, file, true);
		return;
	}
	if (path_copy(path, file)) {
		path_cut(path);
		(void)place_add(s, path, true);
	}
	if (follow && file_target(file, path) && strcmp(file, path) != 0) {
		path_cut(path);
		(void)place_add(s, path, true);
	}
}

void
verb_sandbox_types(struct verb_sandbox *s)
{
	const char *rest = mime_database();
	char path[PATH_MAX];

	/* "A:B", of which the library reads A, A.mgc, B and B.mgc. */
	while (rest != NULL && *rest != '\0') {
		size_t len = strcspn(rest, ":");

		if (len > 0 && len < sizeof(path) - sizeof(".mgc")) {
			memcpy(path, rest, len);
			path[len] = '\0';
			(void)place_add(s, path, false);
			memcpy(path + len, ".mgc", sizeof(".mgc"));
			(void)place_add(s, path, false);
		}
		rest += len + (rest[len] == ':');
	}
}

/* --------------------------------------------------------------- entering */

/* What getaddrinfo(3) may read: its settings, and the modules that nsswitch.conf
 * names, which it loads when it comes to them (nss(5), resolv.conf(5), gai.conf(5),
 * ld.so(8)). The user database is not among them. */
static const char *const resolver[] = { "/etc/nsswitch.conf",
	"/etc/resolv.conf", "/etc/hosts", "/etc/host.conf", "/etc/gai.conf",
	"/etc/mdns.allow", "/etc/ld.so.cache", "/lib", "/lib64", "/usr/lib",
	"/usr/lib64", "/usr/local/lib", "/run/systemd/resolve" };

/* The letters of all scripts, by which names that differ in case alone are found:
 * newlocale(3) loads them when they are needed (locale(7)). */
static const char *const letters[] = { "/usr/lib/locale", "/usr/share/locale" };

/* The resolver then keeps what it read first (resolv.conf(5)). */
static void
resolver_keep(struct verb_sandbox *s)
{
	static const char variable[] = "RES_OPTIONS";
	const char *set = getenv(variable);
	char *text;

	if (asprintf(&text, "%s no-reload", set != NULL ? set : "") == -1) {
		s->failed = true;
		return;
	}
	if (setenv(variable, text, 1) == -1)
		s->failed = true;
	free(text);
}

/* The settings of the resolver are often a link to what a daemon replaces: a long run
 * must be able to read the next ones. In /etc itself it is not, for other files lie
 * there: a next one that cannot be read would be taken for none, which means a server
 * on this machine. */
static void
resolver_add(struct verb_sandbox *s)
{
	char *real = realpath("/etc/resolv.conf", NULL);

	for (size_t i = 0; i < sizeof(resolver) / sizeof(resolver[0]); i++)
		(void)place_add(s, resolver[i], false);
	if (real != NULL && strncmp(real, "/etc/", strlen("/etc/")) != 0) {
		path_cut(real);
		(void)place_add(s, real, false);
	} else {
		resolver_keep(s);
	}
	free(real);
}

/* By the environment. False after a message. */
static bool
wanted_find(enum conf_sandbox *wanted)
{
	const char *text = getenv("CARNATION_SANDBOX");
	unsigned i = CONF_SANDBOX_ON;

	while (text != NULL && conf_sandbox_words[i] != NULL &&
	       strcmp(text, conf_sandbox_words[i]) != 0)
		i++;
	*wanted = i;
	if (conf_sandbox_words[i] == NULL)
		log_error("CARNATION_SANDBOX: invalid value \"%s\" (on, "
			  "required or off)",
		    text);
	return conf_sandbox_words[i] != NULL;
}

static bool
places_enter(
    struct verb_sandbox *s, enum sandbox_role role, enum conf_sandbox wanted)
{
	uint8_t digest[DIGEST_SIZE];
	struct sandbox_state state;
	struct why why;

	if (s->failed) {
		log_error("sandbox: out of memory or descriptors");
		return false;
	}
	/* OpenSSL reads its configuration at its first use. */
	digest_sha256(SLICE(""), digest);
	if (!sandbox_enter(role, s->place, s->n, &state, &why)) {
		log_error("%s", why.text);
		return false;
	}
	if (wanted != CONF_SANDBOX_REQUIRED || sandbox_missing(&state) == NULL)
		return true;
	log_error("CARNATION_SANDBOX is \"required\", but this kernel offers "
		  "no %s",
	    sandbox_missing(&state));
	return false;
}

bool
verb_sandbox_enter(struct verb_sandbox *s, enum sandbox_role role)
{
	enum conf_sandbox wanted;
	bool entered = wanted_find(&wanted);

	for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
		(void)place_add(s, letters[i], false);
	verb_sandbox_read(s, getenv("LOCALE_ARCHIVE"));
	if (role == SANDBOX_CLIENT)
		resolver_add(s);
	entered = entered &&
		  (wanted == CONF_SANDBOX_OFF || places_enter(s, role, wanted));
	verb_sandbox_free(s);
	return entered;
}

void
verb_sandbox_free(struct verb_sandbox *s)
{
	while (s->n > 0)
		(void)close(s->place[--s->n].fd);
	free(s->place);
	*s = (struct verb_sandbox){ 0 };
}

bool
verb_sandbox_store(const char *store, bool write, enum sandbox_role role)
{
	struct verb_sandbox s = { 0 };

	if (write)
		verb_sandbox_write(&s, store);
	else
		verb_sandbox_read(&s, store);
	return verb_sandbox_enter(&s, role);
}
