/* SPDX-License-Identifier: ISC */
#include "verbs/cert_renew.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/file.h"
#include "proto/hostname.h"
#include "tls/cert.h"
#include "util/log.h"
#include "util/why.h"
#include "verbs/cert_list.h"

enum {
	CERT_PATH_MAX = 4096,
	CERT_TEXT_MAX = 256 * 1024,
	CERT_NAMES_MAX = 256, /* of one certificate */
};

/* As seen in ten clients, shown a new certificate for a key they knew. */
static const char renewal[] =
    "These clients go on as if nothing had happened: amfora, elpher, gemget, "
    "lagrange.\n"
    "These remember the whole certificate; they will stop and ask their "
    "users, who\n"
    "cannot tell a renewal from an attack: AV-98, bombadillo, gmni, gplaces, "
    "offpunk,\n"
    "telescope. Not known: kristall.\n"
    "A certificate that is valid is best left alone.\n";

/* A pair of files, and what is in them. */
struct pair {
	struct buf crt_path;
	struct buf key_path;
	struct cert *cert;
	struct sign_key *key;
};

static void
pair_fini(struct pair *p)
{
	buf_fini(&p->crt_path);
	buf_fini(&p->key_path);
	cert_free(&p->cert);
	sign_key_free(&p->key);
}

/* Which pair is meant: by files, by host, or the only one there is. */
static bool
pair_find(const struct cert_renewal *j, struct pair *p)
{
	char host[HOSTNAME_SIZE];

	buf_init(&p->crt_path, CERT_PATH_MAX);
	buf_init(&p->key_path, CERT_PATH_MAX);
	if (j->cert != NULL)
		return buf_str(&p->crt_path, j->cert) &&
		       buf_str(&p->key_path, j->key);
	if (j->host == NULL)
		return cert_list_only(j->dir, host) &&
		       cert_paths(j->dir, host, &p->crt_path, &p->key_path);
	if (hostname_canonical(slice_str(j->host), host) == HOSTNAME_BAD) {
		log_error("%s: not a host name", j->host);
		return false;
	}
	return cert_paths(j->dir, host, &p->crt_path, &p->key_path);
}

static bool
pair_load(struct pair *p)
{
	struct why why;

	p->cert = cert_load(buf_cstr(&p->crt_path), &why);
	if (p->cert != NULL)
		p->key = sign_key_load(buf_cstr(&p->key_path), &why);
	if (p->key == NULL)
		log_error("%s", why.text);
	if (p->key == NULL)
		return false;
	if (!cert_matches(p->cert, p->key))
		log_error("%s is not the key of %s", buf_cstr(&p->key_path),
		    buf_cstr(&p->crt_path));
	else if (!cert_is_self_signed(p->cert))
		log_error("%s was signed by somebody else: it is renewed "
			  "where it was made",
		    buf_cstr(&p->crt_path));
	else
		return true;
	return false;
}

/* The old certificate's names, but those that no host can have: a common name
 * may be "My Capsule". *n of them, pointing into text. */
static bool
renewed_names(struct slice text, const char **names, size_t *n, char *memory)
{
	struct slice line;

	*n = 0;
	while (slice_line(&text, &line)) {
		char ignored[HOSTNAME_SIZE];
		struct slice bare = slice_starts(line, SLICE("*."))
					? slice_skip(line, 2)
					: line;

		if (hostname_canonical(bare, ignored) == HOSTNAME_BAD)
			continue;
		if (*n == CERT_NAMES_MAX)
			return false;
		memcpy(memory, line.ptr, line.len);
		memory[line.len] = '\0';
		names[(*n)++] = memory;
		memory += line.len + 1;
	}
	return *n > 0;
}

static struct cert *
renewed(const struct pair *p)
{
	const char *names[CERT_NAMES_MAX];
	struct cert *c = NULL;
	char *memory = NULL;
	struct buf text;
	size_t n;

	buf_init(&text, CERT_TEXT_MAX);
	if (cert_list_names(p->cert, &text))
		memory = malloc(text.len + 1);
	if (memory != NULL && renewed_names(buf_view(&text), names, &n, memory))
		c = cert_make(p->key, names, n);
	if (c == NULL)
		log_error("no certificate can be made from the names in the "
			  "old one");
	free(memory);
	buf_fini(&text);
	return c;
}

static bool
agreed(const struct cert_renewal *j, struct pair *p)
{
	char *line = NULL;
	size_t size = 0;
	bool yes;

	printf("%s will be replaced; its key stays.\n%s",
	    buf_cstr(&p->crt_path), renewal);
	fflush(stdout);
	if (j->yes)
		return true;
	if (isatty(STDIN_FILENO) != 1) {
		log_error("nothing has been changed: nobody to ask; --yes "
			  "goes on without");
		return false;
	}
	fputs("Go on? [y/N] ", stdout);
	fflush(stdout);
	yes = getline(&line, &size, stdin) > 0 &&
	      (line[0] == 'y' || line[0] == 'Y');
	free(line);
	if (!yes)
		puts("Nothing has been changed.");
	return yes;
}

/* The old file whole, chain and all, under another name. */
static bool
keep_old(struct pair *p)
{
	struct buf old, path;
	bool done;

	buf_init(&old, CERT_TEXT_MAX);
	buf_init(&path, CERT_PATH_MAX);
	done = buf_printf(&path, "%s.old", buf_cstr(&p->crt_path)) &&
	       file_read_path(buf_cstr(&p->crt_path), &old) &&
	       file_replace(buf_cstr(&path), buf_view(&old), 0644);
	if (!done)
		log_error("%s: %s", buf_cstr(&path), strerror(errno));
	buf_fini(&old);
	buf_fini(&path);
	return done;
}

static bool
write_renewed(struct pair *p, const struct cert *c)
{
	struct buf pem;
	bool done;

	buf_init(&pem, CERT_TEXT_MAX);
	done = cert_pem(c, &pem) && keep_old(p);
	if (done && !file_write(buf_cstr(&p->crt_path), buf_view(&pem), 0644)) {
		log_error("%s: %s", buf_cstr(&p->crt_path), strerror(errno));
		done = false;
	}
	buf_fini(&pem);
	return done;
}

bool
cert_renew(const struct cert_renewal *j)
{
	struct pair p = { 0 };
	struct cert *c = NULL;
	bool done = false;

	if (pair_find(j, &p) && pair_load(&p))
		c = renewed(&p);
	if (c != NULL && agreed(j, &p))
		done = write_renewed(&p, c);
	if (done)
		printf("Done; the old one is kept as %s.old. A running server "
		       "takes the new one at its next reload (HUP).\n",
		    buf_cstr(&p.crt_path));
	cert_free(&c);
	pair_fini(&p);
	return done;
}
