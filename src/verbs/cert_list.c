/* SPDX-License-Identifier: ISC */
#include "verbs/cert_list.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tls/cert.h"
#include "tls/digest.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/why.h"

enum {
	LIST_TEXT_MAX = 256 * 1024,
	LIST_JSON_MAX = 4 * LIST_TEXT_MAX,
	LIST_PATH_MAX = 4096,
	DAY_S = 86400,
};

static int
is_crt(const struct dirent *d)
{
	return d->d_name[0] != '.' &&
	       slice_ends(slice_str(d->d_name), SLICE(".crt"));
}

/* The .crt files of dir in order, or -1 and a message. The caller frees each and
 * all. */
static int
list_crts(const char *dir, struct dirent ***found)
{
	int n = scandir(dir, found, is_crt, alphasort);

	if (n == -1)
		log_error("%s: %s", dir, strerror(errno));
	else if (n == 0)
		log_error("%s holds no certificate (HOST.crt)", dir);
	return n;
}

static void
free_crts(struct dirent **found, int n)
{
	for (int i = 0; i < n; i++)
		free(found[i]);
	if (n >= 0)
		free(found);
}

bool
cert_list_only(const char *dir, char host[HOSTNAME_SIZE])
{
	struct dirent **found = NULL;
	int n = list_crts(dir, &found);
	struct slice name;
	bool only = false;

	if (n > 1)
		log_error("%s holds several certificates: name a host", dir);
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
	free_crts(found, n);
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
look_at(const struct cert *c, struct shown *s)
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
	buf_init(&s->names, LIST_TEXT_MAX);
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
print_text(const char *path, const struct cert *c, const struct shown *s)
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
json_string(struct buf *out, struct slice s)
{
	buf_byte(out, '"');
	log_escape_json(out, s);
	buf_byte(out, '"');
}

static void
print_json(const char *path, const struct shown *s)
{
	struct slice rest = buf_view(&s->names);
	struct slice name;
	struct buf out;
	bool more = false;

	buf_init(&out, LIST_JSON_MAX);
	buf_str(&out, "{\"file\":");
	json_string(&out, slice_str(path));
	buf_str(&out, ",\"names\":[");
	while (slice_line(&rest, &name)) {
		if (more)
			buf_byte(&out, ',');
		json_string(&out, name);
		more = true;
	}
	buf_printf(&out,
	    "],\"not_before\":\"%s\",\"not_after\":\"%s\",\"sha256\":\"%s\","
	    "\"spki_sha256\":\"%s\",\"tlsa\":\"3 1 1 %s\"}",
	    s->from, s->until, s->hex, s->spki_hex, s->spki_hex);
	fputs(buf_cstr(&out), stdout);
	buf_fini(&out);
}

/* first: no comma before it. */
static bool
show(const char *path, bool json, bool first)
{
	struct why why;
	struct shown s;
	struct cert *c;

	c = cert_load(path, &why);
	if (c == NULL)
		log_error("%s", why.text);
	if (c == NULL)
		return false;
	if (!look_at(c, &s))
		log_warn("%s: too many names to show them all", path);
	if (json)
		fputs(first ? "\n" : ",\n", stdout);
	if (json)
		print_json(path, &s);
	else
		print_text(path, c, &s);
	buf_fini(&s.names);
	cert_free(&c);
	return true;
}

/* The file that a word means, into path. */
static bool
locate(const char *dir, const char *word, struct buf *path)
{
	char host[HOSTNAME_SIZE];
	struct buf key;
	bool found = false;

	if (hostname_canonical(slice_str(word), host) != HOSTNAME_BAD) {
		buf_init(&key, LIST_PATH_MAX);
		found = cert_paths(dir, host, path, &key) &&
			access(buf_cstr(path), F_OK) == 0;
		buf_fini(&key);
	}
	if (found)
		return true;
	buf_reset(path);
	return buf_str(path, word) && buf_cstr(path) != NULL;
}

static bool
show_words(const char *dir, const char *const *words, size_t n, bool json)
{
	bool first = true, all = true;
	struct buf path;

	buf_init(&path, LIST_PATH_MAX);
	for (size_t i = 0; i < n; i++) {
		bool done;

		buf_reset(&path);
		done = locate(dir, words[i], &path) &&
		       show(buf_cstr(&path), json, first);
		first = first && !done;
		all = all && done;
	}
	buf_fini(&path);
	return all;
}

static bool
show_all(const char *dir, bool json)
{
	struct dirent **found = NULL;
	int n = list_crts(dir, &found);
	bool first = true, all = n > 0;
	struct buf path;

	buf_init(&path, LIST_PATH_MAX);
	for (int i = 0; i < n; i++) {
		bool done;

		buf_reset(&path);
		done = buf_printf(&path, "%s/%s", dir, found[i]->d_name) &&
		       show(buf_cstr(&path), json, first);
		first = first && !done;
		all = all && done;
	}
	buf_fini(&path);
	free_crts(found, n);
	return all;
}

bool
cert_list_show(const char *dir, const char *const *words, size_t n, bool json)
{
	bool done;

	if (json)
		fputs("[", stdout);
	done = n > 0 ? show_words(dir, words, n, json) : show_all(dir, json);
	if (json)
		fputs("\n]\n", stdout);
	return done;
}
