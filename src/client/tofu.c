/* SPDX-License-Identifier: ISC */
#include "client/tofu.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "os/file.h"
#include "proto/moment.h"
#include "tls/digest.h"
#include "util/clock.h"

enum { TOFU_DIR = 4096 };

/* What the file has about a server. */
struct tofu_known {
	unsigned line; /* from 1; 0: nothing */
	bool readable;
	uint8_t spki[DIGEST_SIZE];
	int64_t expires;
};

struct judging {
	const char *file;
	const char *place;
	const struct tofu_shown *shown;
	int64_t now;
	struct buf *said;
	struct buf text; /* the whole file */
	struct tofu_known known;
	int lock_error; /* 0: the directory is locked */
};

/* The first line about place. */
static void
tofu_look_up(struct judging *j)
{
	struct slice rest = buf_view(&j->text);
	struct slice line, first, digest;
	unsigned number = 0;

	while (slice_line(&rest, &line)) {
		number++;
		slice_cut(line, ' ', &first, &line);
		if (!slice_equal(first, slice_str(j->place)))
			continue;
		slice_cut(line, ' ', &digest, &line);
		j->known.line = number;
		j->known.readable = digest_parse(digest, j->known.spki) &&
				    moment_parse(line, &j->known.expires);
		return;
	}
}

static bool
tofu_put_entry(struct judging *j, struct buf *out)
{
	char hex[DIGEST_HEX_SIZE];
	char until[CLOCK_RFC3339_SIZE];

	digest_hex(j->shown->key, hex);
	clock_rfc3339(j->shown->until, until);
	return buf_printf(out, "%s %s %s\n", j->place, hex, until);
}

/* Writes the file with this certificate instead of what is known. False after a
 * line about it. */
static bool
tofu_remember(struct judging *j)
{
	struct slice rest = buf_view(&j->text);
	struct slice line;
	unsigned number = 0;
	struct buf out;
	bool done = j->lock_error == 0;

	buf_init(&out, TOFU_FILE_MAX);
	while (done && slice_line(&rest, &line)) {
		if (++number == j->known.line)
			done = tofu_put_entry(j, &out);
		else
			done = buf_put(&out, line) && buf_byte(&out, '\n');
	}
	if (done && j->known.line == 0)
		done = tofu_put_entry(j, &out);
	errno = done ? EFBIG : j->lock_error;
	done = done && file_write(j->file, buf_view(&out), 0600);
	if (!done)
		buf_printf(j->said,
		    "the key of %s is not remembered: %s%s%s; use "
		    "--known-hosts FILE\n",
		    j->place, j->file != NULL ? j->file : "",
		    j->file != NULL ? ": " : "",
		    j->file != NULL ? strerror(errno) : "HOME is not set");
	buf_fini(&out);
	return done;
}

/* Whether the certificate is not of today; said then, without the line's end. */
static bool
tofu_is_off_date(struct judging *j)
{
	int64_t from = j->shown->from, until = j->shown->until;
	bool over = until < j->now;
	char date[CLOCK_RFC3339_SIZE];

	if (!over && from <= j->now)
		return false;
	clock_rfc3339(over ? until : from, date);
	return buf_printf(j->said, "the certificate of %s %s %.10s", j->place,
	    over ? "expired on" : "is not valid before", date);
}

static enum tofu
tofu_check_same_key(struct judging *j)
{
	if (tofu_is_off_date(j))
		buf_str(
		    j->said, "; its key is the known one, so it is accepted");
	else if (j->known.expires != j->shown->until)
		tofu_remember(j);
	return TOFU_ACCEPTED;
}

static void
tofu_put_fingerprints(struct judging *j, const char *indent)
{
	char certificate[CERT_FINGERPRINT_SIZE], key[CERT_FINGERPRINT_SIZE];

	cert_fingerprint(j->shown->certificate, certificate);
	cert_fingerprint(j->shown->key, key);
	buf_printf(j->said,
	    "%scertificate  SHA256 %s\n%spublic key   SHA256 %s", indent,
	    certificate, indent, key);
}

static void
tofu_print_changed(struct judging *j)
{
	char known[CERT_FINGERPRINT_SIZE];
	char until[CLOCK_RFC3339_SIZE];

	cert_fingerprint(j->known.spki, known);
	clock_rfc3339(j->known.expires, until);
	buf_printf(j->said,
	    "%s shows another key than before\n"
	    "  known  public key   SHA256 %s (until %.10s)\n",
	    j->place, known, until);
	tofu_put_fingerprints(j, "  shown  ");
	buf_printf(j->said,
	    "\n"
	    "Either its operator has made a new key, or somebody stands "
	    "between you and it.\n"
	    "If the operator says that the shown one is right, remove line %u "
	    "of %s and ask again.",
	    j->known.line, j->file);
}

static enum tofu
tofu_check_other_key(struct judging *j)
{
	bool saved, first = j->known.line == 0;

	if (!first && j->known.expires >= j->now) {
		tofu_print_changed(j);
		return TOFU_REFUSED;
	}
	if (tofu_is_off_date(j))
		return TOFU_REFUSED;
	saved = tofu_remember(j);
	if (!first || saved)
		buf_printf(j->said, "%s %s\n", j->place,
		    first ? "is new, its key is now known"
			  : "has a new key, the old certificate has expired");
	tofu_put_fingerprints(j, "  ");
	return first && saved ? TOFU_NEW : TOFU_ACCEPTED;
}

static enum tofu
tofu_decide(struct judging *j)
{
	if (j->known.line != 0 && !j->known.readable) {
		buf_printf(j->said,
		    "%s:%u: not \"host:port sha256 date\"; mend or remove "
		    "that line",
		    j->file, j->known.line);
		return TOFU_REFUSED;
	}
	if (j->known.line != 0 &&
	    memcmp(j->shown->key, j->known.spki, DIGEST_SIZE) == 0)
		return tofu_check_same_key(j);
	return tofu_check_other_key(j);
}

/* The directory is what is locked: the file itself is replaced. */
static int
tofu_lock(const char *file)
{
	const char *slash = strrchr(file, '/');
	size_t len = slash == NULL ? 0 : (size_t)(slash - file);
	char dir[TOFU_DIR];

	if (len >= sizeof(dir)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	snprintf(dir, sizeof(dir), "%.*s", (int)len, file);
	return file_lock_dir(slash == NULL ? "." : len == 0 ? "/" : dir, 0700);
}

bool
tofu_describe(const struct target *t, const struct cert *c,
    char place[TOFU_PLACE_SIZE], struct tofu_shown *shown, struct buf *said)
{
	struct buf text, names;

	buf_wrap(&text, place, TOFU_PLACE_SIZE);
	target_place(t, &text);
	buf_cstr(&text);
	cert_digest(c, shown->certificate);
	cert_spki_digest(c, shown->key);
	shown->from = cert_not_before(c);
	shown->until = cert_not_after(c);
	if (cert_names_loosely(c, t->host))
		return true;
	buf_init(&names, 4096);
	cert_list_names(c, &names);
	for (size_t i = 0; i < names.len; i++)
		if (names.ptr[i] == '\n')
			names.ptr[i] = ' ';
	buf_printf(said, "the certificate of %s is for another host: %.*s",
	    place, SLICE_ARGS(slice_trim(buf_view(&names))));
	buf_fini(&names);
	return false;
}

/* A line of the file begins with it. */
static bool
tofu_place_ok(const char place[TOFU_PLACE_SIZE])
{
	size_t len = strnlen(place, TOFU_PLACE_SIZE);

	for (size_t i = 0; i < len; i++)
		if (place[i] <= ' ' || place[i] > '~')
			return false;
	return len > 0 && len < TOFU_PLACE_SIZE;
}

enum tofu
tofu_judge(const char *file, const char place[TOFU_PLACE_SIZE],
    const struct tofu_shown *shown, int64_t now, struct buf *said)
{
	struct judging j = { .file = file,
		.place = place,
		.shown = shown,
		.now = now,
		.said = said };
	enum tofu trust = TOFU_REFUSED;
	int fd;

	if (!tofu_place_ok(place))
		return TOFU_REFUSED;
	errno = ENOENT;
	fd = file != NULL ? tofu_lock(file) : -1;
	j.lock_error = fd == -1 ? errno : 0;
	buf_init(&j.text, TOFU_FILE_MAX);
	if (fd != -1 && !file_read_path(file, &j.text) && errno != ENOENT) {
		buf_printf(said, "%s: %s", file, strerror(errno));
	} else {
		tofu_look_up(&j);
		trust = tofu_decide(&j);
	}
	buf_fini(&j.text);
	if (fd != -1)
		close(fd);
	return trust;
}
