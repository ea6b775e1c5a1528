/* SPDX-License-Identifier: ISC */
/* What the files of verify share. Depends on verify. */
#ifndef ARCHIVE_VERIFY_INTERNAL_H
#define ARCHIVE_VERIFY_INTERNAL_H

#include "archive/fetcher.h"
#include "archive/state.h"
#include "archive/store.h"
#include "archive/verify.h"
#include "util/why.h"

enum {
	VERIFY_CHUNK = 64 * 1024,
	/* Bytes of STORE/wrong: what does not fit is found the next time. */
	VERIFY_WRONG_MAX = MANIFEST_FILES_MAX * DIGEST_HEX_SIZE,
};

/* What is known of an entry, in v->mark. */
enum verify_mark {
	VERIFY_UNSEEN,
	VERIFY_SOUND,
	VERIFY_FAULTY, /* told */
};

void verify_report(struct verify *v, enum verify_news news, const char *path);

/* Tells it of an entry, once. */
void verify_fault(struct verify *v, size_t i, enum verify_news news);

/* Opens the manifest in v->text; what names it in why. */
enum result verify_open(struct verify *v, const char *what, struct why *why);

/* Of all that was reported. */
enum result verify_conclude(const struct verify *v);

/* What to call a file that could not be opened or read, from errno: VERIFY_MISSING
 * when it is not there, VERIFY_CHANGED when something else is, VERIFY_UNREADABLE when
 * it may be there and good. */
enum verify_news verify_news_of(int error);

/* The entry of that path; false: there is none. */
bool verify_find(const struct verify *v, const char *path, size_t *i);

/* Each entry beneath root, which is the caller's, and mirror/capsule.tar; then what
 * is there besides. release: that of a store, where nothing else may be under
 * mirror/ and the archive must be there. False and why: local trouble. */
bool verify_tree(struct verify *v, int root, bool release, struct why *why);

/* The archive in fd, from where it stands to its end, against v's manifest, marks
 * and news. RESULT_REFUSED and why when its form is broken, or it holds another
 * manifest; RESULT_LOCAL and why when it cannot be read; else RESULT_GOOD. */
enum result verify_members(struct verify *v, int fd, struct why *why);

/* The manifest that an archive holds, from the start of fd into v->text.
 * RESULT_REFUSED and why: there is none; RESULT_LOCAL and why: it cannot be read. */
enum result verify_extract(struct verify *v, int fd, struct why *why);

/* SHA-256 of a file from its start, and its size; false and errno. */
bool verify_hash(int fd, uint8_t digest[DIGEST_SIZE], uint64_t *size);

/* ------------------------------------------------------- a store's scan */

/* An object that is not what its name says, or is not there. */
struct verify_rot {
	uint8_t digest[DIGEST_SIZE];
	const char *path; /* in the current release, borrowed from the manifest;
			   * NULL: older releases alone have it */
	bool lost;        /* verify_salvage's: neither sound now, nor closed */
};

/* Zeroed but for the first three, borrowed. */
struct verify_scan {
	struct verify *v;
	struct store *store;
	const struct state *state;

	uint64_t largest;     /* of all files in all releases, as signed */
	bool manifest_faulty; /* v->text is another copy */
	bool to_relink;       /* a sound object's name in the release is not */
	bool looked;          /* at all of the current release */
	struct verify_rot *rot;
	size_t n_rot;
};

/* Hashes an object that the current release does not list; one that is not
 * *sound is reported and, unless it cannot be opened, added to what is corrupt.
 * False: out of memory. */
bool verify_suspect(
    struct verify_scan *x, const uint8_t digest[DIGEST_SIZE], bool *sound);

/* Whether a release's file is its object's other name. */
bool verify_is_linked(
    const struct verify_scan *x, int release, const struct manifest_entry *e);

/* The part of a scan that is about older releases: their manifests and files,
 * and each object that they list and the current one does not. why also reports
 * releases that have lost theirs. False: out of memory, or the store cannot be
 * read (why). */
bool verify_older(struct verify_scan *x, struct why *why);

/* Mends what a scan has found, under the lock, which it takes. RESULT_GOOD: what
 * could be done is done; another scan tells. */
enum result verify_repair(struct verify_scan *x, struct why *why);

enum verify_object {
	VERIFY_OBJECT_SOUND,
	VERIFY_OBJECT_CORRUPT,
	VERIFY_OBJECT_ABSENT,
	VERIFY_OBJECT_CLOSED, /* to us: permissions, descriptors */
};
enum verify_object verify_object(
    const struct store *s, const uint8_t digest[DIGEST_SIZE], uint64_t *size);

/* The manifest of serial, when the release's own cannot be read, from its
 * archive or where it came from, into v->text; opened. why is cleared.
 * RESULT_REFUSED: it takes a key that was not given. */
enum result
verify_recover(struct verify_scan *x, uint64_t serial, struct why *why);

/* Whether a manifest that v's keys do not open is not corrupt: another key that
 * the store knows opens it (then why then names it), or it is what the store
 * took over, signed by anyone. */
bool verify_is_foreign(
    const struct verify_scan *x, struct slice text, struct why *why);

/* A manifest of an older release into *m: also a key that the store pins, though it
 * be retired, may have signed it. */
bool verify_open_older(
    const struct verify_scan *x, struct slice text, struct manifest *m);

/* Sources to ask: where the last serial came from, then all that a mirror knows. */
struct verify_others {
	struct fetcher fetcher;
	struct sources sources;
};

/* False and why. verify_others_close is due in any case. */
bool verify_others_open(
    struct verify_others *o, const struct verify_scan *x, struct why *why);
void verify_others_close(struct verify_others *o);

/* A source's own manifest into text, which is emptied first. False and why. */
bool verify_fetch(struct verify_others *o, struct source *s, struct buf *text,
    struct why *why);

/* Calls visit for each release, ascending, with its manifest: the current one's
 * is v's. NULL: it is not available, and news says why: it is corrupt, is gone,
 * or may be good but cannot be read. Return false to end. False then, or when
 * memory or descriptors have run out or the releases cannot be determined (why
 * says so). */
typedef bool verify_visit(void *arg, uint64_t serial, const struct manifest *m,
    enum verify_news news);
bool verify_releases(const struct verify_scan *x, verify_visit *visit,
    void *arg, struct why *why);

/* Whether the open manifest is the one that the store took over as serial; what
 * holds it, for why. */
bool verify_is_serial(const struct verify_scan *x, uint64_t serial,
    const char *what, struct why *why);

#endif
