/* SPDX-License-Identifier: ISC */
#include "tls/cert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/options.h"
#include "proto/hostname.h"
#include "util/log.h"
#include "util/why.h"
#include "verbs/args.h"
#include "verbs/cert_list.h"
#include "verbs/cert_renew.h"
#include "verbs/verbs.h"

enum {
	OPTION_CERTS = ARGS_LONG,
	OPTION_CERT,
	OPTION_KEY,
	OPTION_YES,
	OPTION_JSON
};

const char cert_usage[] =
    "usage: carnation cert new [--certs DIR] HOST [ALIAS]...\n"
    "       carnation cert renew [--certs DIR | --cert FILE --key FILE] "
    "[--yes] [HOST]\n"
    "       carnation cert show [--json] [--certs DIR] [HOST | FILE]...\n"
    "\n"
    "  new     makes a key and a certificate for HOST and its aliases; never "
    "touches\n"
    "          a pair that is there\n"
    "  renew   makes a new certificate with the same key and names, after "
    "saying which\n"
    "          visitors will be asked about it\n"
    "  show    names, validity, fingerprints, TLSA record; all of DIR when "
    "none is named\n"
    "\n"
    "  --certs DIR   where HOST.crt and HOST.key lie (/var/lib/carnation/certs "
    "for root,\n"
    "                else $XDG_DATA_HOME/carnation/certs)\n"
    "  --yes         do not ask\n"
    "  --json        show as a JSON list\n";

struct job {
	const char *what; /* "new", "renew", "show" */
	char *dir;
	const char *cert;
	const char *key;
	bool yes;
	bool json;
	const char **words;
	size_t n_words;
};

/* Canonical names of all words, for the caller to free; NULL when one is none. */
static char (*canonical_names(const struct job *j))[HOSTNAME_SIZE]
{
	char(*names)[HOSTNAME_SIZE] = calloc(j->n_words, sizeof(*names));

	for (size_t i = 0; names != NULL && i < j->n_words; i++)
		if (hostname_canonical(slice_str(j->words[i]), names[i]) ==
		    HOSTNAME_BAD) {
			log_error("%s: not a host name", j->words[i]);
			free(names);
			return NULL;
		}
	return names;
}

static void
say_made(const char *dir, const char *host, const struct cert *c)
{
	uint8_t memory[CERT_FINGERPRINTS_MAX];
	struct buf lines;

	buf_wrap(&lines, memory, sizeof(memory));
	cert_put_fingerprints(c, "", &lines);
	printf("files        %s/%s.crt\n             %s/%s.key\n%s\n", dir,
	    host, dir, host, buf_cstr(&lines));
}

static int
run_new(const struct job *j)
{
	char(*names)[HOSTNAME_SIZE] = canonical_names(j);
	const char **list = calloc(j->n_words, sizeof(*list));
	struct sign_key *key = NULL;
	struct cert *c = NULL;
	enum cert_pair made = CERT_PAIR_FAILED;
	struct why why;

	if (names == NULL || list == NULL)
		goto out;
	for (size_t i = 0; i < j->n_words; i++)
		list[i] = names[i];
	made = cert_pair(j->dir, list, j->n_words, &c, &key, &why);
	switch (made) {
	case CERT_PAIR_MADE:
		say_made(j->dir, names[0], c);
		break;
	case CERT_PAIR_FOUND:
		log_error("%s/%s.crt is there already and has not been "
			  "touched; see cert renew",
		    j->dir, names[0]);
		break;
	case CERT_PAIR_FAILED:
		log_error("%s", why.text);
		break;
	}
	cert_free(&c);
	sign_key_free(&key);
out:
	free(list);
	free(names);
	return made == CERT_PAIR_MADE ? EXIT_GOOD : EXIT_FAILED;
}

/* False when the command line is wrong. */
static bool
parse(struct job *j, int argc, char **argv)
{
	static const struct args_option options[] = {
		{ "--certs", OPTION_CERTS, true },
		{ "--cert", OPTION_CERT, true },
		{ "--key", OPTION_KEY, true },
		{ "--yes", OPTION_YES, false },
		{ "--json", OPTION_JSON, false },
		{ NULL, 0, false },
	};
	struct args a = {
		.verb = "cert", .options = options, .argc = argc, .argv = argv
	};

	for (;;) {
		switch (args_next(&a)) {
		case ARGS_END:
			if (j->what == NULL)
				fprintf(stderr,
				    "carnation cert: new, renew or show?\n");
			return j->what != NULL;
		case ARGS_WORD:
			if (j->what == NULL)
				j->what = a.value;
			else
				j->words[j->n_words++] = a.value;
			break;
		case OPTION_CERTS:
			free(j->dir);
			j->dir = strdup(a.value);
			break;
		case OPTION_CERT:
			j->cert = a.value;
			break;
		case OPTION_KEY:
			j->key = a.value;
			break;
		case OPTION_YES:
			j->yes = true;
			break;
		case OPTION_JSON:
			j->json = true;
			break;
		default:
			return false;
		}
	}
}

static int
unknown(const char *what)
{
	static const char *const known[] = { "new", "renew", "show", NULL };
	const char *near = word_nearest(what, known);

	fprintf(stderr, "carnation cert: unknown word %s%s%s%s\n", what,
	    near != NULL ? "; did you mean " : "", near != NULL ? near : "",
	    near != NULL ? "?" : "");
	return verb_misused("cert");
}

/* What does not go together. NULL: all does. */
static const char *
fault(const struct job *j)
{
	bool files = j->cert != NULL || j->key != NULL;
	bool is_new = strcmp(j->what, "new") == 0;
	bool is_renew = strcmp(j->what, "renew") == 0;

	if (files && !is_renew)
		return "--cert and --key go with renew";
	if (files && (j->cert == NULL || j->key == NULL))
		return "--cert and --key go together";
	if (files && (j->n_words > 0 || j->dir != NULL))
		return "with --cert and --key goes neither a host nor --certs";
	if (j->yes && !is_renew)
		return "--yes goes with renew";
	if (j->json && (is_new || is_renew))
		return "--json goes with show";
	if (is_new && j->n_words == 0)
		return "name a host";
	return is_renew && j->n_words > 1 ? "renew takes one host" : NULL;
}

static int
run(struct job *j)
{
	const char *why;
	bool files = j->cert != NULL || j->key != NULL;
	bool is_new = strcmp(j->what, "new") == 0;
	bool is_renew = strcmp(j->what, "renew") == 0;
	bool is_show = strcmp(j->what, "show") == 0;

	if (!is_new && !is_renew && !is_show)
		return unknown(j->what);

	why = fault(j);
	if (why != NULL) {
		fprintf(stderr, "carnation cert: %s\n", why);
		return verb_misused("cert");
	}
	if (j->dir == NULL && !files)
		j->dir = default_certs_dir();
	if (j->dir == NULL && !files) {
		log_error("no place for certificates: neither XDG_DATA_HOME "
			  "nor HOME is set; give --certs");
		return EXIT_FAILED;
	}
	if (is_new)
		return run_new(j);
	if (is_renew)
		return cert_renew(&(struct cert_renewal){ .dir = j->dir,
			   .host = j->n_words > 0 ? j->words[0] : NULL,
			   .cert = j->cert,
			   .key = j->key,
			   .yes = j->yes })
			   ? EXIT_GOOD
			   : EXIT_FAILED;
	return cert_list_show(j->dir, j->words, j->n_words, j->json)
		   ? EXIT_GOOD
		   : EXIT_FAILED;
}

int
verb_cert(int argc, char **argv)
{
	struct job j = { .words = calloc((size_t)argc, sizeof(char *)) };
	int status = EXIT_FAILED;

	if (j.words == NULL)
		log_error("out of memory");
	else if (!parse(&j, argc, argv))
		status = verb_misused("cert");
	else
		status = run(&j);
	free(j.words);
	free(j.dir);
	return status;
}
