/* SPDX-License-Identifier: ISC */
#include "conf/options.h"

#include <stddef.h>
#include <string.h>

#include "conf/conf_internal.h"

static const char *const tls_versions[] = { "1.2", "1.3", NULL };
static const char *const log_words[] = { "stderr", "none", NULL };
static const char *const log_formats[] = { "text", "json", NULL };
static const char *const log_addresses[] = { "none", "truncated", "full",
	NULL };

const char *const conf_sandbox_words[] = { "on", "required", "off", NULL };

_Static_assert(CONF_LOG_TEXT == 0 && CONF_LOG_JSON == 1,
    "log_formats is in the order of enum conf_log_format");
_Static_assert(
    CONF_SANDBOX_ON == 0 && CONF_SANDBOX_REQUIRED == 1 && CONF_SANDBOX_OFF == 2,
    "conf_sandbox_words is in the order of enum conf_sandbox");
_Static_assert(CONF_ADDRESSES_NONE == 0 && CONF_ADDRESSES_TRUNCATED == 1 &&
		   CONF_ADDRESSES_FULL == 2,
    "log_addresses is in the order of enum conf_log_addresses");

#define TOP(field)                                                             \
	.places = OPTION_OPERATOR, .offset = offsetof(struct conf, field)
#define LIMITS(field)                                                          \
	.places = OPTION_OPERATOR,                                             \
	.offset = offsetof(struct conf, limits.field) -                        \
		  offsetof(struct conf, limits)
#define TLS(field)                                                             \
	.places = OPTION_OPERATOR,                                             \
	.offset =                                                              \
	    offsetof(struct conf, tls.field) - offsetof(struct conf, tls)
#define LOG(field)                                                             \
	.places = OPTION_OPERATOR,                                             \
	.offset =                                                              \
	    offsetof(struct conf, log.field) - offsetof(struct conf, log)
#define FIELD(type, field) .offset = offsetof(struct type, field)
#define CAPSULE(field) .places = OPTION_OPERATOR, FIELD(conf_capsule, field)
#define TYPES(field) .places = OPTION_OPERATOR, FIELD(conf_type, field)
#define CONTENT(field) .places = OPTION_CAPSULE, FIELD(conf_content, field)
#define PATHS(field) .places = OPTION_CAPSULE, FIELD(conf_path, field)
#define REDIRECT(field) .places = OPTION_CAPSULE, FIELD(conf_redirect, field)
#define ELEMENTS(type, element, n)                                             \
	.count = offsetof(struct type, n), .size = sizeof(struct element)
#define RANGE(low, high, of) .min = (low), .max = (high), .unit = (of)

/* clang-format off */
static const struct option options[] = {
	{ "listen", OPTION_LISTEN, TOP(listen), .fallback = "[\"*:1965\"]",
	  .check = check_filled },
	{ "public_port", OPTION_NUMBER, TOP(public_port), .fallback = "0",
	  RANGE(0, 65535, "") },
	{ "workers", OPTION_NUMBER, TOP(workers), .fallback = "0",
	  RANGE(0, CONF_WORKERS_MAX, "processes") },
	{ "user", OPTION_TEXT, TOP(user), .check = check_filled },
	{ "group", OPTION_TEXT, TOP(group), .check = check_filled },
	{ "sandbox", OPTION_CHOICE, TOP(sandbox),
	  .fallback = "\"on\"", .choices = conf_sandbox_words },

	{ "limits", OPTION_GROUP, TOP(limits) },
	{ "limits.connections", OPTION_NUMBER, LIMITS(connections),
	  .fallback = "1024", RANGE(1, 1000000, "connections") },
	{ "limits.per_address", OPTION_NUMBER, LIMITS(per_address),
	  .fallback = "64", RANGE(0, 1000000, "connections") },
	{ "limits.rate", OPTION_NUMBER, LIMITS(rate), .fallback = "10",
	  RANGE(0, 1000000, "requests a second") },
	{ "limits.burst", OPTION_NUMBER, LIMITS(burst),
	  .fallback = "60", RANGE(0, 1000000, "requests") },
	{ "limits.exempt", OPTION_LIST, LIMITS(exempt),
	  .fallback = "[\"127.0.0.0/8\", \"::1\"]", .check = check_network },
	{ "limits.handshake", OPTION_SECONDS, LIMITS(handshake),
	  .fallback = "10", RANGE(1, 3600, "seconds") },
	{ "limits.request", OPTION_SECONDS, LIMITS(request),
	  .fallback = "10", RANGE(6, 3600, "seconds") },
	{ "limits.stall", OPTION_SECONDS, LIMITS(stall),
	  .fallback = "30", RANGE(1, 3600, "seconds") },
	{ "limits.drain", OPTION_SECONDS, LIMITS(drain),
	  .fallback = "10", RANGE(0, 3600, "seconds") },

	{ "tls", OPTION_GROUP, TOP(tls) },
	{ "tls.minimum", OPTION_TEXT, TLS(minimum),
	  .fallback = "\"1.2\"", .choices = tls_versions },
	{ "tls.suites", OPTION_TEXT, TLS(suites), .check = check_suites },
	{ "tls.tickets", OPTION_BOOL, TLS(tickets), .fallback = "true" },

	{ "log", OPTION_GROUP, TOP(log) },
	{ "log.access", OPTION_PATH, LOG(access),
	  .fallback = "\"stderr\"", .choices = log_words,
	  .check = check_filled },
	{ "log.format", OPTION_CHOICE, LOG(format),
	  .fallback = "\"text\"", .choices = log_formats },
	{ "log.addresses", OPTION_CHOICE, LOG(addresses),
	  .fallback = "\"truncated\"", .choices = log_addresses },
	{ "log.query", OPTION_BOOL, LOG(query), .fallback = "false" },
	{ "log.handshakes", OPTION_BOOL, LOG(handshakes), .fallback = "false" },

	{ "types", OPTION_LIST_OF_GROUPS, TOP(types),
	  ELEMENTS(conf, conf_type, n_types) },
	{ "types.extension", OPTION_TEXT, TYPES(extension), .required = true,
	  .check = check_extension },
	{ "types.type", OPTION_TEXT, TYPES(type), .required = true,
	  .check = check_media_type },

	{ "capsules", OPTION_LIST_OF_GROUPS, TOP(capsules),
	  ELEMENTS(conf, conf_capsule, n_capsules), .max = CONF_CAPSULES_MAX },
	{ "capsules.host", OPTION_TEXT, CAPSULE(host), .check = check_filled },
	{ "capsules.aliases", OPTION_LIST, CAPSULE(aliases),
	  .check = check_filled },
	{ "capsules.root", OPTION_PATH, CAPSULE(root), .check = check_filled },
	{ "capsules.certificate", OPTION_PATH, CAPSULE(certificate),
	  .check = check_filled },
	{ "capsules.key", OPTION_PATH, CAPSULE(key), .check = check_filled },
	{ "capsules.hidden", OPTION_LIST, CAPSULE(hidden),
	  .check = check_hidden },
	{ "capsules.objects", OPTION_BOOL, CAPSULE(objects),
	  .fallback = "true" },

	{ "title", OPTION_TEXT, CONTENT(title), .check = check_line },
	{ "origin", OPTION_TEXT, CONTENT(origin), .check = check_origin },
	{ "lang", OPTION_TEXT, CONTENT(lang), .check = check_lang },
	{ "charset", OPTION_TEXT, CONTENT(charset), .check = check_charset },
	{ "index", OPTION_LIST, CONTENT(index),
	  .fallback = "[\"index.gmi\", \"index.gemini\"]",
	  .max = CONF_ENTRIES_MAX, .check = check_name },
	{ "listing", OPTION_SWITCH, CONTENT(listing), .fallback = "false" },
	{ "paths", OPTION_LIST_OF_GROUPS, CONTENT(paths),
	  ELEMENTS(conf_content, conf_path, n_paths), .max = CONF_ENTRIES_MAX },
	{ "paths.glob", OPTION_TEXT, PATHS(glob), .required = true,
	  .check = check_glob },
	{ "paths.lang", OPTION_TEXT, PATHS(lang), .check = check_lang },
	{ "paths.charset", OPTION_TEXT, PATHS(charset), .check = check_charset },
	{ "paths.type", OPTION_TEXT, PATHS(type), .check = check_media_type_or_none },
	{ "paths.listing", OPTION_SWITCH, PATHS(listing) },
	{ "redirects", OPTION_LIST_OF_GROUPS, CONTENT(redirects),
	  ELEMENTS(conf_content, conf_redirect, n_redirects),
	  .max = CONF_PLAIN_MAX },
	{ "redirects.from", OPTION_TEXT, REDIRECT(from), .required = true,
	  .check = check_from },
	{ "redirects.to", OPTION_TEXT, REDIRECT(to), .required = true,
	  .check = check_target },
	{ "redirects.permanent", OPTION_BOOL, REDIRECT(permanent),
	  .fallback = "false" },
	{ "gone", OPTION_LIST, CONTENT(gone), .check = check_gone,
	  .max = CONF_PLAIN_MAX, .globs = CONF_ENTRIES_MAX },
	{ "feed", OPTION_TEXT, CONTENT(feed), .check = check_file },
	{ "copy", OPTION_TEXT, CONTENT(copy), .check = check_name },
	{ "order", OPTION_LIST, CONTENT(order), .check = check_file,
	  .max = CONF_PLAIN_MAX },
};
/* clang-format on */

const struct option *
options_all(size_t *n)
{
	*n = sizeof(options) / sizeof(options[0]);
	return options;
}

const struct option *
option_find(const char *name)
{
	size_t n;
	const struct option *all = options_all(&n);

	for (size_t i = 0; i < n; i++)
		if (strcmp(all[i].name, name) == 0)
			return &all[i];
	return NULL;
}

const char *
option_word(const struct option *o)
{
	const char *dot = strrchr(o->name, '.');

	return dot == NULL ? o->name : dot + 1;
}

static bool
option_in(const struct option *o, const char *prefix, unsigned place)
{
	size_t n = strlen(prefix);

	return (o->places & place) != 0 && strncmp(o->name, prefix, n) == 0 &&
	       strchr(o->name + n, '.') == NULL;
}

const struct option *
option_next(const struct option *o, const char *prefix, unsigned place)
{
	size_t n;
	const struct option *all = options_all(&n);

	for (o = o == NULL ? all : o + 1; o < all + n; o++)
		if (option_in(o, prefix, place))
			return o;
	return NULL;
}

/* Splits "group.word": the prefix with its dot goes to prefix. */
static const char *
name_split(const char *name, char prefix[OPTION_NAME_MAX])
{
	const char *dot = strrchr(name, '.');
	size_t n = dot == NULL ? 0 : (size_t)(dot - name) + 1;

	prefix[0] = '\0';
	if (n >= OPTION_NAME_MAX)
		return NULL;
	memcpy(prefix, name, n);
	prefix[n] = '\0';
	return name + n;
}

/* word_nearest() among the names of one group. */
static void
group_nearest(const char *word, const char *prefix, unsigned place,
    const char **nearest, size_t *best)
{
	const struct option *o = NULL;

	while ((o = option_next(o, prefix, place)) != NULL)
		if (word_nearer(word, option_word(o), best))
			*nearest = o->name;
}

const char *
option_nearest(const char *name, unsigned place)
{
	char prefix[OPTION_NAME_MAX];
	const char *word = name_split(name, prefix), *nearest = NULL;
	size_t best = SIZE_MAX;

	if (word == NULL)
		return NULL;
	group_nearest(word, prefix, place, &nearest, &best);
	/* The operator may write a capsule's own settings there. */
	if (strcmp(prefix, "capsules.") == 0)
		group_nearest(word, "", OPTION_CAPSULE, &nearest, &best);
	return nearest;
}
