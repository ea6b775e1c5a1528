/* SPDX-License-Identifier: ISC */
/* Server certificates: cert new, cert show, cert renew. */
#include "tls/cert.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/file.h"
#include "proto/hostname.h"
#include "tls/digest.h"
#include "util/clock.h"
#include "util/json.h"
#include "util/log.h"
#include "verbs/verbs.h"

enum {
	CERT_PATH_MAX = 4096,
	CERT_TEXT_MAX = 256 * 1024,
	CERT_JSON_MAX = 16 * 1024 * 1024,
	CERT_NAMES_MAX = 256, /* of one certificate */
	DAY_S = 86400,
};

#define CERTS_HELP                                                             \
	"where HOST.crt and HOST.key are kept (/var/lib/carnation/certs for "  \
	"root, else $XDG_DATA_HOME/carnation/certs)"

/* given, or the default directory: the caller frees it. NULL after a message. */
static char *
certs_dir(const char *given)
{
	char *dir = given != NULL ? strdup(given) : default_certs_dir();

	if (dir == NULL)
		log_error("no directory for certificates: neither "
			  "XDG_DATA_HOME nor HOME is set; use --certs");
	return dir;
}

static bool
host_canonical(const char *word, char host[HOSTNAME_SIZE])
{
	if (hostname_canonical(slice_str(word), host) != HOSTNAME_BAD)
		return true;
	log_error("invalid host name \"%s\"", word);
	return false;
}

/* -------------------------------------------------------------------- new */

struct new_job {
	const char *certs;
	const char *host;
	struct arg_list aliases;
};

static void
print_made(const char *dir, const char *host, const struct cert *c)
{
	uint8_t memory[CERT_FINGERPRINTS_MAX];
	struct buf lines;

	buf_wrap(&lines, memory, sizeof(memory));
	cert_put_fingerprints(c, "", &lines);
	printf("files        %s/%s.crt\n             %s/%s.key\n%s\n", dir,
	    host, dir, host, buf_cstr(&lines));
}

static bool
pair_create(const char *dir, const char *const *names, size_t n)
{
	struct sign_key *key = NULL;
	struct cert *c = NULL;
	enum cert_pair made;
	struct why why;

	made = cert_pair(dir, names, n, &c, &key, &why);
	switch (made) {
	case CERT_PAIR_MADE:
		print_made(dir, names[0], c);
		break;
	case CERT_PAIR_FOUND:
		log_error("%s/%s.crt: exists already and has not been changed "
			  "(see carnation cert renew)",
		    dir, names[0]);
		break;
	case CERT_PAIR_MISSING:
	case CERT_PAIR_FAILED:
		log_error("%s", why.text);
		break;
	}
	cert_free(&c);
	sign_key_free(&key);
	return made == CERT_PAIR_MADE;
}

static enum result
cert_new_run(void *job)
{
	struct new_job *j = job;
	size_t n = 1 + j->aliases.n;
	char(*names)[HOSTNAME_SIZE] = calloc(n, sizeof(*names));
	const char **list = calloc(n, sizeof(*list));
	char *dir = certs_dir(j->certs);
	bool ok = names != NULL && list != NULL && dir != NULL;

	for (size_t i = 0; ok && i < n; i++) {
		list[i] = names[i];
		ok = host_canonical(
		    i == 0 ? j->host : j->aliases.text[i - 1], names[i]);
	}
	ok = ok && pair_create(dir, list, n);
	free(dir);
	free(list);
	free(names);
	return ok ? RESULT_GOOD : RESULT_FAILED;
}

const struct verb verb_cert_new = {
	.name = "cert new",
	.summary = "make a certificate that clients keep trusting",
	.about = "Makes a key and a certificate for HOST and its aliases. A "
		 "pair that exists is never touched.\n",
	.args =
	    (const struct arg[]){
		{ "--certs", 0, "DIR", CERTS_HELP,
		    ARG_TEXT(struct new_job, certs) },
		{ "HOST", 0, NULL, NULL, ARG_TEXT(struct new_job, host) },
		{ "ALIAS", 0, NULL, NULL,
		    ARG_LIST(struct new_job, aliases, SIZE_MAX),
		    .optional = true },
		{ .name = NULL },
	    },
	.job_size = sizeof(struct new_job),
	.run = cert_new_run,
};

/* ------------------------------------------------------------------- show */

struct show_job {
	const char *certs;
	struct arg_list words;
	bool json;
};

static int
crt_is(const struct dirent *d)
{
	return d->d_name[0] != '.' &&
	       slice_ends(slice_str(d->d_name), SLICE(".crt"));
}

/* What to do: a service's certificates can be seen by root and its user only. */
static const char *
crts_advice(void)
{
	return geteuid() == 0 ? "" : " (for a service's, run this as root)";
}

/* The .crt files of dir in order, for crts_free(); or -1 and a message. */
static int
crts_find(const char *dir, struct dirent ***found)
{
	int n = scandir(dir, found, crt_is, alphasort);

	if (n <= 0)
		log_error("%s: %s%s", dir,
		    n == 0 ? "no certificate (HOST.crt)" : strerror(errno),
		    crts_advice());
	return n;
}

static void
crts_free(struct dirent **found, int n)
{
	for (int i = 0; i < n; i++)
		free(found[i]);
	free(found);
}

/* The host of the only certificate in dir. */
static bool
crts_only(const char *dir, char host[HOSTNAME_SIZE])
{
	struct dirent **found = NULL;
	int n = crts_find(dir, &found);
	struct slice name;
	bool only = false;

	if (n > 1)
		log_error(
		    "%s: several certificates; missing argument: HOST", dir);
	if (n == 1) {
		name = slice_str(found[0]->d_name);
		name = slice_head(name, name.len - strlen(".crt"));
		only = name.len < HOSTNAME_SIZE;
		if (!only)
			log_error("%s/%s: not named after a host", dir,
			    found[0]->d_name);
	}
	if (only) {
		memcpy(host, name.ptr, name.len);
		host[name.len] = '\0';
	}
	crts_free(found, n);
	return only;
}

struct shown {
	char from[CLOCK_RFC3339_SIZE];
	char until[CLOCK_RFC3339_SIZE];
	char hex[DIGEST_HEX_SIZE];
	char spki_hex[DIGEST_HEX_SIZE];
	char text[CERT_FINGERPRINT_SIZE];
	char spki_text[CERT_FINGERPRINT_SIZE];
	struct buf names; /* one a line */
};

static bool
shown_read(const struct cert *c, struct shown *s)
{
	uint8_t digest[CERT_DIGEST_SIZE];

	clock_rfc3339(cert_not_before(c), s->from);
	clock_rfc3339(cert_not_after(c), s->until);
	cert_digest(c, digest);
	digest_hex(digest, s->hex);
	cert_fingerprint(digest, s->text);
	cert_spki_digest(c, digest);
	digest_hex(digest, s->spki_hex);
	cert_fingerprint(digest, s->spki_text);
	buf_init(&s->names, CERT_TEXT_MAX);
	return cert_list_names(c, &s->names);
}

/* "expired", "30 days left". */
static void
print_validity(const struct cert *c, const struct shown *s)
{
	int64_t left = (cert_not_after(c) - clock_wall()) / DAY_S;

	printf("  valid        %.10s to %.10s", s->from, s->until);
	if (cert_not_after(c) < clock_wall())
		printf(" (expired)\n");
	else if (cert_not_before(c) > clock_wall())
		printf(" (not yet valid)\n");
	else if (left < CERT_EXPIRY_WARNING_DAYS)
		printf(" (%d days left)\n", (int)left);
	else
		printf("\n");
}

static void
shown_print(const char *path, const struct cert *c, const struct shown *s)
{
	struct slice rest = buf_view(&s->names);
	struct slice name;

	printf("%s\n", path);
	while (slice_line(&rest, &name))
		printf("  name         %.*s\n", SLICE_ARGS(name));
	print_validity(c, s);
	printf("  certificate  SHA256 %s\n", s->text);
	printf("  public key   SHA256 %s\n", s->spki_text);
	rest = buf_view(&s->names);
	while (slice_line(&rest, &name)) {
		char host[HOSTNAME_SIZE];

		if (hostname_canonical(name, host) == HOSTNAME_NAME)
			printf("  TLSA         _1965._tcp.%s. IN TLSA 3 1 1 "
			       "%s\n",
			    host, s->spki_hex);
	}
}

static void
shown_put_json(struct json *out, const char *path, const struct shown *s)
{
	struct slice rest = buf_view(&s->names);
	char tlsa[sizeof("3 1 1 ") + DIGEST_HEX_SIZE];
	struct slice name;

	snprintf(tlsa, sizeof(tlsa), "3 1 1 %s", s->spki_hex);
	json_object(out, NULL);
	json_text(out, "file", path);
	json_list(out, "names");
	while (slice_line(&rest, &name))
		json_slice(out, NULL, name);
	json_end(out);
	json_text(out, "not_before", s->from);
	json_text(out, "not_after", s->until);
	json_text(out, "sha256", s->hex);
	json_text(out, "spki_sha256", s->spki_hex);
	json_text(out, "tlsa", tlsa);
	json_end(out);
}

/* json is NULL for text. */
static bool
cert_show(const char *path, struct json *json)
{
	struct why why;
	struct shown s;
	struct cert *c = cert_load(path, &why);

	if (c == NULL) {
		log_error("%s", why.text);
		return false;
	}
	if (!shown_read(c, &s))
		log_warn("%s: too many names to show them all", path);
	if (json != NULL)
		shown_put_json(json, path, &s);
	else
		shown_print(path, c, &s);
	buf_fini(&s.names);
	cert_free(&c);
	return true;
}

/* Shows what a word names: a host with a certificate in dir, or a file. */
static bool
show_word(const char *dir, const char *word, struct json *json)
{
	char host[HOSTNAME_SIZE];
	struct buf path, key;
	bool is_host, ok = false;

	buf_init(&path, CERT_PATH_MAX);
	buf_init(&key, CERT_PATH_MAX);
	is_host = hostname_canonical(slice_str(word), host) != HOSTNAME_BAD &&
		  cert_paths(dir, host, &path, &key);
	if (is_host && access(buf_cstr(&path), F_OK) == 0)
		ok = cert_show(buf_cstr(&path), json);
	else if (!is_host || access(word, F_OK) == 0)
		ok = cert_show(word, json);
	else
		log_error("%s: no such file; no certificate in %s%s", word, dir,
		    crts_advice());
	buf_fini(&key);
	buf_fini(&path);
	return ok;
}

static bool
show_all(const char *dir, struct json *json)
{
	struct dirent **found = NULL;
	int n = crts_find(dir, &found);
	bool all = n > 0;
	char *path;

	for (int i = 0; i < n; i++) {
		if (asprintf(&path, "%s/%s", dir, found[i]->d_name) == -1) {
			log_error("out of memory");
			all = false;
			break;
		}
		all = cert_show(path, json) && all;
		free(path);
	}
	crts_free(found, n);
	return all;
}

static enum result
cert_show_run(void *job)
{
	struct show_job *j = job;
	char *dir = certs_dir(j->certs);
	struct buf out;
	struct json json = { .out = &out }, *to = j->json ? &json : NULL;
	bool ok = true;

	if (dir == NULL)
		return RESULT_FAILED;
	buf_init(&out, CERT_JSON_MAX);
	json_list(&json, NULL);
	for (size_t i = 0; i < j->words.n; i++)
		ok = show_word(dir, j->words.text[i], to) && ok;
	if (j->words.n == 0)
		ok = show_all(dir, to);
	json_end(&json);
	ok = (!j->json || verb_print(&out)) && ok;
	buf_fini(&out);
	free(dir);
	return ok ? RESULT_GOOD : RESULT_FAILED;
}

const struct verb verb_cert_show = {
	.name = "cert show",
	.summary = "print what certificates contain",
	.about = "Prints names, validity, fingerprints and the TLSA record of "
		 "the certificates of each HOST or in each FILE; without any, "
		 "of all certificates in DIR.\n",
	.args =
	    (const struct arg[]){
		{ "--json", 0, NULL, "print a JSON list",
		    ARG_FLAG(struct show_job, json) },
		{ "--certs", 0, "DIR", CERTS_HELP,
		    ARG_TEXT(struct show_job, certs) },
		{ "HOST|FILE", 0, NULL, NULL,
		    ARG_LIST(struct show_job, words, SIZE_MAX),
		    .optional = true },
		{ .name = NULL },
	    },
	.job_size = sizeof(struct show_job),
	.run = cert_show_run,
};

/* ------------------------------------------------------------------ renew */

struct renew_job {
	const char *certs;
	const char *cert;
	const char *key;
	const char *host;
	bool yes;
};

/* Seen in eleven clients that were shown a new certificate for a key they knew. */
static const char renewal[] =
    "These clients go on as if nothing had happened: amfora, elpher, gemget, "
    "kristall,\n"
    "lagrange, offpunk (with a warning).\n"
    "These pin the whole certificate. AV-98 and telescope ask their users, who "
    "cannot\n"
    "tell a renewal from an attack; bombadillo, gmni and gplaces refuse to "
    "connect.\n"
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

/* The pair by its files, by its host, or the only one in dir. */
static bool
pair_find(const struct renew_job *j, const char *dir, struct pair *p)
{
	char host[HOSTNAME_SIZE];

	buf_init(&p->crt_path, CERT_PATH_MAX);
	buf_init(&p->key_path, CERT_PATH_MAX);
	if (j->cert != NULL)
		return buf_str(&p->crt_path, j->cert) &&
		       buf_str(&p->key_path, j->key);
	return (j->host == NULL ? crts_only(dir, host)
				: host_canonical(j->host, host)) &&
	       cert_paths(dir, host, &p->crt_path, &p->key_path);
}

static bool
renewal_load(struct pair *p)
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
		log_error("%s: not the key of %s", buf_cstr(&p->key_path),
		    buf_cstr(&p->crt_path));
	else if (!cert_is_self_signed(p->cert))
		log_error("%s: not self-signed; have its issuer renew it",
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
cert_renewed(struct pair *p)
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
		log_error(
		    "%s: contains no valid host name", buf_cstr(&p->crt_path));
	free(memory);
	buf_fini(&text);
	return c;
}

static bool
renewal_agreed(const struct renew_job *j, struct pair *p)
{
	bool yes;

	printf("%s will be replaced; its key stays.\n%s",
	    buf_cstr(&p->crt_path), renewal);
	yes = verb_confirm("Proceed?", j->yes);
	if (!yes)
		puts("Nothing has been changed.");
	return yes;
}

/* The old file whole, chain and all, under another name. */
static bool
old_keep(struct pair *p)
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
renewed_write(struct pair *p, const struct cert *c)
{
	struct buf pem;
	bool done;

	buf_init(&pem, CERT_TEXT_MAX);
	done = cert_pem(c, &pem) && old_keep(p);
	if (done && !file_write(buf_cstr(&p->crt_path), buf_view(&pem), 0644)) {
		log_error("%s: %s", buf_cstr(&p->crt_path), strerror(errno));
		done = false;
	}
	buf_fini(&pem);
	return done;
}

static bool
cert_renew(const struct renew_job *j, const char *dir)
{
	struct pair p = { 0 };
	struct cert *c = NULL;
	bool done = false;

	if (pair_find(j, dir, &p) && renewal_load(&p))
		c = cert_renewed(&p);
	if (c != NULL && renewal_agreed(j, &p))
		done = renewed_write(&p, c);
	if (done)
		printf("Done; the old certificate is kept as %s.old. A running "
		       "server uses the new one after its next reload (HUP).\n",
		    buf_cstr(&p.crt_path));
	cert_free(&c);
	pair_fini(&p);
	return done;
}

static enum result
cert_renew_run(void *job)
{
	struct renew_job *j = job;
	bool files = j->cert != NULL || j->key != NULL;
	char *dir = NULL;
	bool ok;

	if (files && (j->cert == NULL || j->key == NULL))
		return verb_misused("--cert and --key must be given together");
	if (files && (j->host != NULL || j->certs != NULL))
		return verb_misused("--cert and --key cannot be combined with "
				    "HOST or --certs");
	if (!files)
		dir = certs_dir(j->certs);
	ok = (files || dir != NULL) && cert_renew(j, dir);
	free(dir);
	return ok ? RESULT_GOOD : RESULT_FAILED;
}

const struct verb verb_cert_renew = {
	.name = "cert renew",
	.summary = "replace a certificate, keeping its key",
	.about = "Makes a new certificate with the same key and names, after "
		 "listing the clients that will ask their users about it. "
		 "Without HOST, the only certificate in DIR.\n",
	.args =
	    (const struct arg[]){
		{ "--certs", 0, "DIR", CERTS_HELP,
		    ARG_TEXT(struct renew_job, certs) },
		{ "--cert", 0, "FILE",
		    "the certificate, when it is not in DIR; with --key",
		    ARG_TEXT(struct renew_job, cert) },
		{ "--key", 0, "FILE", "the private key of --cert",
		    ARG_TEXT(struct renew_job, key) },
		{ "--yes", 0, NULL, "do not ask",
		    ARG_FLAG(struct renew_job, yes) },
		{ "HOST", 0, NULL, NULL, ARG_TEXT(struct renew_job, host),
		    .optional = true },
		{ .name = NULL },
	    },
	.job_size = sizeof(struct renew_job),
	.run = cert_renew_run,
};
