/* SPDX-License-Identifier: ISC */
/* The stages of publishing: for archive/publish*.c.
 * Depends on publish, store and state. */
#ifndef ARCHIVE_PUBLISH_INTERNAL_H
#define ARCHIVE_PUBLISH_INTERNAL_H

#include <time.h>

#include "archive/publish.h"
#include "archive/state.h"
#include "archive/store.h"
#include "capsule/copy.h"
#include "capsule/inventory.h"

#define PUBLISH_CONF_FILE "capsule.conf"

enum {
	PUBLISH_READ_SIZE = 64 * 1024,
	PUBLISH_SHOWN_MAX = 20, /* problems of one kind told in full */
};

/* A capsule for reading. Zeroed = closed. */
struct publish_root {
	struct conf *conf;
	struct hosts *hosts;
	const struct host *host;
};

/* By which a file is known to be the same, and not written to since. */
struct publish_stamp {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec modified, changed;
};

/* What a release is made of, in byte order of paths. */
struct publish_file {
	const char *path;       /* the inventory's, or the host's */
	const struct buf *made; /* its bytes; NULL: they are SRC's */
	struct publish_stamp stamp;
	uint64_t size;
	uint8_t digest[DIGEST_SIZE];
};

struct publish {
	const struct publish_options *o;
	struct publish_plan plan;
	/* publish_source.c's */
	struct publish_root root;
	struct publish_stamp
	    conf_stamp; /* capsule.conf's, before it was read */
	bool has_conf;
	struct inventory pages; /* what SRC serves; nothing under mirror/ */
	struct inventory_omissions left;
	/* publish_make.c's */
	struct buf atom, copy;
	struct publish_file *file;
	size_t n;
	/* publish_store.c's */
	struct store *store; /* NULL: there is none yet */
	struct state state;
	struct feed_origin origin;
	char origin_url[MANIFEST_ORIGIN_MAX];
	struct manifest before; /* the last serial's */
	uint64_t last_serial;   /* the release that it is of; 0: none */
	uint64_t next_serial;
	/* publish_list.c's */
	struct manifest after;
	struct buf list;   /* as it is signed */
	struct buf sealed; /* and signed */
	struct signify_key signer;
	/* publish_losses.c's */
	struct publish_loss *loss;
	struct publish_root
	    last; /* the last release, whose texts loss borrows */
	struct inventory last_pages;
};

/* A stage tells in r what is wrong. */
typedef enum result publish_stage(struct publish *p, struct report *r);

/* publish_store.c: what the store remembers. */
publish_stage publish_open_store;  /* lock, state, origin */
publish_stage publish_find_serial; /* the next one */
publish_stage publish_read_last;   /* the manifest before */
publish_stage publish_make_store;  /* unless it is there */

/* publish_keys.c: whether the key may sign here. */
publish_stage publish_accept_key;
publish_stage publish_accept_sealed;

/* The key that the new serial announces: the one asked for, or the one that the
 * last serial announced, until it signs; a mirror that missed that serial would
 * refuse it forever. NULL: none. o's, or p's. */
const struct signify_key *publish_successor(const struct publish *p);

/* publish_source.c: what there is to publish. */
publish_stage publish_open_source; /* neither keys nor the store in it */
publish_stage publish_list_pages;

/* publish_make.c: feed and copy; what a release is made of, and its hashes. */
publish_stage publish_stamp_files; /* before anybody reads them */
publish_stage publish_make_files;
publish_stage publish_hash_files;

/* publish_check.c: reports before publishing. */
publish_stage publish_lint;
publish_stage publish_check_reached; /* by mirrors; behind the hashes */
publish_stage publish_check_links;

/* publish_losses.c: pages that go, though others lead there. */
publish_stage publish_find_losses;

/* publish_list.c: the manifest, made or taken as it was signed elsewhere. */
publish_stage publish_make_list;
publish_stage publish_take_sealed;
publish_stage publish_seal;

/* publish_write.c: into the store, and the switch. */
publish_stage publish_store_files;
publish_stage publish_release;

/* publish_source.c: opens dir as the one capsule of that host; capsule.conf is
 * not yet read. */
bool publish_root_open(struct publish_root *root, const char *dir,
    const char *host, struct report *r);
void publish_root_close(struct publish_root *root);

/* publish_check.c: opens the last release as the capsule that it was, once;
 * its capsule.conf is not yet read. False when it cannot be opened. */
bool publish_open_last(struct publish *p);

/* What a name beneath a directory is now, a symbolic link being itself. False
 * and errno. */
bool publish_stamp_of(int root, const char *path, struct publish_stamp *out);
/* SRC's file, open, when it is the one that was listed; else -1 and a problem. */
int publish_file_open(
    const struct publish *p, const struct publish_file *f, struct report *r);

/* Whether it is still as it was listed; else a problem. Of a made one, always. */
bool publish_file_unchanged(
    const struct publish *p, const struct publish_file *f, struct report *r);

/* A problem with SRC's file at path; line 0: with all of it. */
void publish_problem(const struct publish *p, struct report *r,
    enum report_level level, const char *path, unsigned line,
    const char *format, ...) __attribute__((format(printf, 6, 7)));

#endif
