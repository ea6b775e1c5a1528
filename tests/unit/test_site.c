/* SPDX-License-Identifier: ISC */
#include "support/capsule.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "server/site.h"

static struct site *site;

static int
set_up(void **state)
{
	return capsule_set_up(state);
}

static int
tear_down(void **state)
{
	site_free(&site);
	site_free(&site); /* harmless */
	return capsule_tear_down(state);
}

#define in_a_site(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

/* Loads what text configures, "%s" being the temporary directory, with the
 * certificates in a directory below it, or in none. */
static struct site *
load(const char *text, const char *certs, bool look_only)
{
	const struct site_options options = {
		.certs_dir = certs == NULL ? NULL : tree_path(certs),
		.look_only = look_only,
	};
	struct conf *conf = conf_new();

	site_free(&site);
	report_fini(&capsule.report);
	memset(&capsule.report, 0, sizeof(capsule.report));
	tree_write("carnation.conf", text);
	if (!conf_read(conf, tree_path("carnation.conf"), &capsule.report)) {
		report_print(&capsule.report);
		fail_msg("the configuration cannot be read");
	}
	site = site_load(conf, NULL, &options, &capsule.report);
	return site;
}

#define ONE(settings)                                                          \
	"capsules = ({ host = \"one.test\"; root = \"root\"; " settings "});"  \
	"\n"

static void
test_certificates_are_made_once(void **state)
{
	uint8_t first[CERT_DIGEST_SIZE], again[CERT_DIGEST_SIZE];

	(void)state;
	assert_non_null(load(ONE("aliases = [\"two.test\"];"), "certs", false));
	assert_int_equal(capsule.report.n, 0);
	assert_true(site->base->certs[0].made);
	assert_true(site->base->certs[0].key_is_private);
	assert_string_equal(
	    site->base->certs[0].file, tree_path("certs/one.test.crt"));
	assert_true(cert_names(site->base->certs[0].cert, "two.test"));
	assert_non_null(site->base->tls);
	assert_non_null(site->base->mime);
	cert_digest(site->base->certs[0].cert, first);
	assert_non_null(load(ONE(""), "certs", false));
	assert_false(site->base->certs[0].made);
	cert_digest(site->base->certs[0].cert, again);
	assert_memory_equal(first, again, sizeof(first));
}

static void
test_read_only_open_creates_nothing(void **state)
{
	(void)state;
	assert_non_null(load(ONE(""), "certs", true));
	assert_int_equal(capsule.report.errors, 0);
	assert_null(site->base->certs[0].cert);
	assert_int_equal(access(tree_path("certs"), F_OK), -1);
	site_warn(
	    site, &capsule.report); /* of a certificate that is not there */
	assert_int_equal(capsule.report.n, 0);
}

static void
test_named_certificate(void **state)
{
	static const char settings[] =
	    ONE("certificate = \"certs/one.test.crt\"; "
		"key = \"certs/one.test.key\";");

	(void)state;
	assert_non_null(load(ONE(""), "certs", false));
	assert_non_null(load(settings, NULL, false));
	assert_false(site->base->certs[0].made);
	assert_true(site->base->certs[0].key_is_private);
	assert_string_equal(
	    site->base->certs[0].file, tree_path("certs/one.test.crt"));
}

/* What stops a start; check reports the same, and continues. */
static const struct refusal {
	const char *rule;
	const char *conf;
	const char *certs; /* NULL: no such place */
	const char *words;
} refusals[] = {
	{ "certificates in the root", ONE(""), "root/certs",
	    "must not contain each other" },
	{ "the root in the certificates",
	    "capsules = ({ host = \"one.test\"; root = \"secrets/in\"; });",
	    "secrets", "must not contain each other" },
	{ "the root is the certificates", ONE(""), "root",
	    "must not contain each other" },
	{ "the same by a link", ONE(""), "rootlink/certs",
	    "must not contain each other" },
	{ "no root", "capsules = ({ host = \"one.test\"; root = \"none\"; });",
	    "certs", "none" },
	{ "the root is a file",
	    "capsules = ({ host = \"one.test\"; root = \"file\"; });", "certs",
	    "file" },
	{ "a host twice",
	    "capsules = ({ host = \"one.test\"; root = \"root\"; },"
	    "{ host = \"ONE.test\"; root = \"root\"; });",
	    "certs", "one.test" },
	{ "no place for certificates", ONE(""), NULL, "use --certs DIR" },
	{ "no certificate at its name",
	    ONE("certificate = \"none.crt\"; key = \"none.key\";"), "certs",
	    "none.crt" },
	{ "no key at its name",
	    ONE("certificate = \"pair/one.test.crt\"; key = \"none.key\";"),
	    "certs", "none.key" },
	{ "another's key",
	    ONE("certificate = \"pair/one.test.crt\"; "
		"key = \"pair/two.test.key\";"),
	    "certs", "one.test" },
	{ "half a pair", ONE(""), "half", "half/one.test.key" },
	{ "suites that are none", ONE("") "tls = { suites = \"NONE\"; };",
	    "certs", "tls: " },
};

static void
make_tree_of_mistakes(void)
{
	tree_make_dir("pair");
	assert_non_null(load("capsules = ("
			     "{ host = \"one.test\"; root = \"root\"; },"
			     "{ host = \"two.test\"; root = \"root\"; });",
	    "pair", false));
	tree_make_dir("keyed");
	tree_make_dir("keyed/deep");
	assert_int_equal(link(tree_path("pair/one.test.key"),
			     tree_path("keyed/deep/id.pem")),
	    0);
	tree_make_dir("secrets");
	tree_make_dir("secrets/in");
	tree_symlink("root", "rootlink");
	tree_write("file", "x");
	tree_make_dir("half");
	assert_int_equal(link(tree_path("pair/one.test.crt"),
			     tree_path("half/one.test.crt")),
	    0);
}

static void
test_refusals(void **state)
{
	(void)state;
	make_tree_of_mistakes();
	for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
		const struct refusal *row = &refusals[i];

		for (int look_only = 0; look_only < 2; look_only++) {
			struct site *got =
			    load(row->conf, row->certs, look_only == 1);

			check_row((got != NULL) == (look_only == 1), row->rule);
			check_row(capsule.report.errors > 0, row->rule);
			if (!capsule_reported(REPORT_ERROR, 0, row->words)) {
				report_print(&capsule.report);
				fail_msg("row \"%s\"", row->rule);
			}
		}
	}
	/* Nothing was made in a root on the way. */
	assert_int_equal(access(tree_path("root/certs"), F_OK), -1);
}

/* A self-signed certificate for one.test that ends in so many days. */
static void
make_ending(const char *name, int days)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	FILE *f = fopen(tree_path(name), "w");
	X509_NAME *who = X509_get_subject_name(x);

	assert_non_null(f);
	X509_NAME_add_entry_by_txt(who, "CN", MBSTRING_ASC,
	    (const unsigned char *)"one.test", -1, -1, 0);
	X509_set_issuer_name(x, who);
	X509_gmtime_adj(X509_getm_notBefore(x), -1000L * 86400);
	X509_gmtime_adj(X509_getm_notAfter(x), days * 86400L + 3600);
	X509_set_pubkey(x, key);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_X509(f, x), 1);
	assert_int_equal(
	    PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(tree_path(name), 0600), 0);
	X509_free(x);
	EVP_PKEY_free(key);
}

static void
test_warnings_of_time(void **state)
{
	static const struct {
		int days;
		const char *words; /* NULL: none */
	} rows[] = {
		{ 31, NULL },
		{ 29, "one.test: the certificate expires in 29 days" },
		{ 1, "one.test: the certificate expires in 1 day" },
		{ 0, "one.test: the certificate expires in 0 days" },
		{ -4, "one.test: the certificate has expired 3 days ago" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		make_ending("ending.pem", rows[i].days);
		assert_non_null(load(ONE("certificate = \"ending.pem\"; "
					 "key = \"ending.pem\";"),
		    NULL, false));
		assert_int_equal(capsule.report.n, 0);
		site_warn_expiry(site, &capsule.report);
		if (rows[i].words != NULL &&
		    !capsule_reported(REPORT_WARNING, 1, rows[i].words)) {
			report_print(&capsule.report);
			fail_msg("%s", rows[i].words);
		}
		/* The same among all others, once. */
		site_warn(site, &capsule.report);
		assert_int_equal(
		    capsule.report.warnings, rows[i].words == NULL ? 0 : 1);
	}
}

static void
test_warnings_of_names_and_keys(void **state)
{
	(void)state;
	assert_non_null(load(ONE(""), "certs", false));
	assert_int_equal(chmod(tree_path("certs/one.test.key"), 0644), 0);
	assert_non_null(load(ONE("aliases = [\"two.test\"];"), "certs", false));
	assert_false(site->base->certs[0].key_is_private);
	site_warn(site, &capsule.report);
	assert_int_equal(capsule.report.errors, 0);
	assert_int_equal(capsule.report.warnings, 2);
	assert_true(capsule_reported(
	    REPORT_WARNING, 1, "the certificate does not name \"two.test\""));
	assert_true(capsule_reported(REPORT_WARNING, 1,
	    "one.test: the private key can be read by others"));
}

static void
test_warnings_of_index_pages(void **state)
{
	(void)state;
	assert_non_null(load(ONE(""), "certs", false));
	assert_true(hosts_read_content(site->hosts, &capsule.report));
	site_warn_index(site, 0, &capsule.report);
	assert_int_equal(capsule.report.warnings, 1);
	assert_true(capsule_reported(
	    REPORT_WARNING, 1, "has no index page (index.gmi)"));
	tree_write("root/index.gmi", "x");
	assert_non_null(load(ONE(""), "certs", false));
	assert_true(hosts_read_content(site->hosts, &capsule.report));
	site_warn_index(site, 0, &capsule.report);
	assert_int_equal(capsule.report.n, 0);
}

/* Inspects what is fresh in s, as the inspection's children do, until nothing
 * is. */
static bool
roots_settle(struct site *s, const struct site *old)
{
	bool ok = true;

	while (ok && site_any_fresh(s)) {
		struct site_finding found[2] = { { 0 }, { 0 } };
		struct buf bytes[2];

		for (size_t i = 0; i < s->hosts->n; i++) {
			bool there = false;

			buf_init(&bytes[i], HOST_CONF_MAX);
			if (!site_is_fresh(s, i))
				continue;
			found[i].content = site_examine(
			    s, i, &bytes[i], &there, &capsule.report);
			site_survey(s, i, UINT64_MAX, &found[i].survey);
			found[i].surveyed = true;
			found[i].bytes = there ? bytes[i].ptr : NULL;
			found[i].len = bytes[i].len;
		}
		ok = site_apply(s, old, found, &capsule.report);
		for (size_t i = 0; i < s->hosts->n; i++)
			buf_fini(&bytes[i]);
	}
	return ok;
}

#define TWO                                                                    \
	"capsules = ({ host = \"one.test\"; root = \"root\"; },"               \
	"{ host = \"two.test\"; root = \"other\"; });\n"

/* What has not moved goes on as it is, over what does not change. */
static void
test_again(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct site *next;

		assert_non_null(load(ONE(""), "certs", false));
		assert_true(roots_settle(site, NULL));
		next = site_reopen(site, &capsule.report);
		assert_non_null(next);
		assert_false(site_any_fresh(next));
		assert_ptr_equal(next->base, site->base);
		assert_int_equal(next->base->references, 2);
		assert_int_not_equal(
		    next->hosts->host[0].root, site->hosts->host[0].root);
		if (i == 0)
			site_free(&next);
		site_free(&site);
		if (i == 0)
			continue;
		assert_int_equal(next->base->references, 1);
		assert_true(cert_names(next->base->certs[0].cert, "one.test"));
		site_free(&next);
	}
}

/* One capsule's content concerns that capsule alone. */
static void
test_unusable_content(void **state)
{
	struct site *next;

	(void)state;
	tree_make_dir("other");
	tree_write("root/capsule.conf", "title = 7;\n");
	assert_non_null(load(TWO, "certs", false));
	assert_true(roots_settle(site, NULL));
	assert_int_equal(site->hosts->host[0].root, -1);
	assert_int_not_equal(site->hosts->host[1].root, -1);
	assert_true(site->states[0].held);
	assert_false(site_has_moved(site));
	/* Mended: it is tried again, and it alone. */
	tree_write("root/capsule.conf", "title = \"One\";\n");
	assert_false(site_has_moved(site)); /* perhaps half written */
	assert_true(site_has_moved(site));
	next = site_reopen(site, &capsule.report);
	assert_true(site_is_fresh(next, 0));
	assert_false(site_is_fresh(next, 1));
	assert_true(roots_settle(next, site));
	assert_true(site_has_news(next, site));
	assert_int_not_equal(next->hosts->host[0].root, -1);
	assert_int_equal(next->hosts->host[0].snapshot.len, 15);
	site_free(&next);
}

/* A key appears in a root: the old content is served until the key is
 * removed. */
static void
test_stray_key(void **state)
{
	struct site *next;

	(void)state;
	tree_make_dir("other");
	assert_non_null(load(TWO, "certs", false));
	assert_true(roots_settle(site, NULL));
	assert_int_equal(rename(tree_path("other"), tree_path("away")), 0);
	tree_make_dir("other");
	tree_make_dir("other/deep");
	assert_int_equal(link(tree_path("certs/one.test.key"),
			     tree_path("other/deep/id.pem")),
	    0);
	next = site_reopen(site, &capsule.report);
	assert_true(roots_settle(next, site));
	assert_false(site_has_news(next, site));
	assert_int_not_equal(next->hosts->host[1].root, -1);
	assert_string_equal(next->states[1].secret, "deep/id.pem");
	site_remember(site, next);
	site_free(&next);
	assert_false(site_has_moved(site));
	assert_int_equal(unlink(tree_path("other/deep/id.pem")), 0);
	assert_false(site_has_moved(site));
	assert_true(site_has_moved(site));
}

/* Alone, what cannot be served prevents the start. */
static void
test_single_capsule_must_be_usable(void **state)
{
	(void)state;
	tree_write("root/capsule.conf", "title = 7;\n");
	assert_non_null(load(ONE(""), "certs", false));
	assert_false(roots_settle(site, NULL));
	assert_true(
	    capsule_reported(REPORT_ERROR, 1, "capsule.conf is not valid"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		in_a_site(test_certificates_are_made_once),
		in_a_site(test_read_only_open_creates_nothing),
		in_a_site(test_named_certificate),
		in_a_site(test_refusals),
		in_a_site(test_warnings_of_time),
		in_a_site(test_warnings_of_names_and_keys),
		in_a_site(test_warnings_of_index_pages),
		in_a_site(test_again),
		in_a_site(test_unusable_content),
		in_a_site(test_stray_key),
		in_a_site(test_single_capsule_must_be_usable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
