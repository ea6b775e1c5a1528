/* SPDX-License-Identifier: ISC */
/* The operator's configuration and a capsule's own, read with libconfig,
 * checked against one table of options (options.h), with file and line for
 * every problem. This layer is the only user of libconfig.
 * Depends on util and report. */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include "conf/report.h"

enum {
	CONF_FILE_MAX = 1 << 20, /* bytes of one configuration file */
	CONF_CAPSULES_MAX = 1024,
	CONF_WORKERS_MAX = 64,
	/* Entries of a list in a capsule.conf, which may be a stranger's: of
	 * globs, names of files to look for, and of what is only compared. */
	CONF_ENTRIES_MAX = 256,
	CONF_PLAIN_MAX = 1024,
	CONF_UNSET = -1, /* of an int that is not set */
};

/* Text as it stood in the file, with its place. text NULL: not set. */
struct conf_text {
	char *text;
	char *file;
	unsigned line;
};

struct conf_list {
	struct conf_text *item;
	size_t n;
	bool set; /* an empty list that was written is set */
};

struct conf_path {
	/* For glob_match on the decoded path; '*' matches '/', too. */
	struct conf_text glob;
	struct conf_text lang;
	struct conf_text charset;
	struct conf_text type;
	int listing; /* CONF_UNSET, 0, 1 */
};

struct conf_redirect {
	/* A decoded path; a final "/" "*" carries the rest. */
	struct conf_text from;
	/* A path or URL; a final '*' is where the rest goes. */
	struct conf_text to;
	bool permanent;
};

/* What a capsule may set for its own content (capsule.conf(5)). */
struct conf_content {
	struct conf_text title;
	struct conf_text origin; /* "gemini://host"; where it is published */
	struct conf_text lang;
	struct conf_text charset;
	struct conf_list index; /* default: index.gmi, index.gemini */
	int listing;            /* CONF_UNSET, 0, 1; default 0 */
	struct conf_path *paths;
	size_t n_paths;
	struct conf_redirect *redirects;
	size_t n_redirects;
	struct conf_list gone; /* paths or globs */
	struct conf_text feed;
	struct conf_text copy; /* default: capsule.txt */
	struct conf_list order;
};

struct conf_capsule {
	struct conf_text host; /* as written; see hostname.h for comparing */
	struct conf_list aliases;
	struct conf_text root;
	struct conf_text certificate;
	struct conf_text key;
	struct conf_list hidden;     /* dot names served beside .well-known */
	bool objects;                /* of a store, mirror/objects/ is served */
	struct conf_content content; /* the operator's settings, which win */
};

struct conf_type {
	struct conf_text extension; /* with or without its dot */
	struct conf_text type;
};

enum conf_log_format { CONF_LOG_TEXT, CONF_LOG_JSON };
enum conf_log_addresses {
	CONF_ADDRESSES_NONE,
	CONF_ADDRESSES_TRUNCATED, /* /24 and /48 */
	CONF_ADDRESSES_FULL,
};

/* Everything in effect: defaults filled in except where noted. Times in
 * seconds. */
enum conf_sandbox { CONF_SANDBOX_ON, CONF_SANDBOX_REQUIRED, CONF_SANDBOX_OFF };

/* What these are called, in the same order; NULL ends them. */
extern const char *const conf_sandbox_words[];

struct conf {
	char *file;              /* NULL: no file */
	struct conf_list listen; /* default: "*:1965" (all IPv4, all IPv6) */
	int public_port;         /* 0: the listener's own */
	int workers;             /* 0: one per CPU */
	struct conf_text user;
	struct conf_text group;
	int sandbox; /* enum conf_sandbox */
	struct {
		int connections; /* a worker's slots */
		int per_address; /* open at once from one address or /64; 0 off */
		int rate;        /* requests a second; 0 off */
		int burst;
		struct conf_list exempt; /* addresses or networks */
		int handshake;
		int request;
		int stall;
		int drain;
	} limits;
	struct {
		struct conf_text minimum; /* "1.2" or "1.3" */
		struct conf_text suites;
		bool tickets;
	} tls;
	struct {
		struct conf_text access; /* a file, "stderr" or "none" */
		int format;              /* enum conf_log_format */
		int addresses;           /* enum conf_log_addresses */
		bool query;
		bool handshakes; /* those that failed, too */
	} log;
	struct conf_type *types;
	size_t n_types;
	struct conf_capsule *capsules;
	size_t n_capsules;
	void *arena; /* owns all of the above */
};

/* All defaults, no capsule; NULL when out of memory. */
struct conf *conf_new(void);
void conf_free(struct conf **c);

/* Reads file (and what it includes) over the defaults. Relative roots,
 * certificates, keys, logs and sockets are relative to the directory of the
 * file that names them, and become absolute. All problems go to r: the first
 * syntax error, or every option that is unknown (with the nearest known one),
 * of the wrong type or out of range; texts are checked by conf_check(). False
 * when r gained an error. */
bool conf_read(struct conf *c, const char *file, struct report *r);

/* Sets what a command line has, over the file; text is copied. The first text
 * added to a list replaces those of the file or the default. A new capsule may
 * move the others: pointers to them are valid until the next. NULL and false:
 * out of memory. */
bool conf_set_text(struct conf *c, struct conf_text *field, const char *text);

/* The same of a directory: "capsule/" is "capsule", for names of files follow
 * after a slash. */
bool conf_set_dir(struct conf *c, struct conf_text *field, const char *dir);
bool conf_list_add(struct conf *c, struct conf_list *list, const char *text);
struct conf_capsule *conf_add_capsule(struct conf *c);

/* Checks that need no file: each text by its row of the table, contradictions,
 * duplicate hosts, the presence of a host and a root in each capsule. After
 * conf_read and the command line, which sets numbers in range only. False when
 * r gained an error, or when conf_read could not read the file: then nothing
 * more is reported. */
bool conf_check(const struct conf *c, struct report *r);

/* The effective configuration in the file's own syntax: reading it again gives
 * the same configuration. */
bool conf_dump(const struct conf *c, struct buf *out);

/* Lays the settings of a capsule.conf, from its bytes (name, for messages),
 * under the operator's, in content: scalars and lists of the operator's
 * win; paths, redirects and gone of the operator's come first. Includes are
 * refused: it can name nothing outside its root. What has an error is reported
 * and left out of content; an option that is not known is reported at the level
 * unknown. Memory is c's. False when nothing could be read: content is then as
 * before. */
bool conf_read_content(struct conf *c, struct conf_content *content,
    struct slice bytes, const char *name, enum report_level unknown,
    struct report *r);

#endif
