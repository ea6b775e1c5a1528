/* SPDX-License-Identifier: ISC */
#include "check.h"
#include "conf/unknown.h"

#define LISTEN "\"listen\"? (listen = [\"*:1965\"])"
#define OUTSIDE                                                                \
	"; use \"listen\" outside of \"capsules\" (listen = [\"*:1965\"])"

static const struct {
	const char *prefix;
	unsigned place;
	const char *name;
	const char *want;
} rows[] = {
	/* Misspelt. */
	{ "", OPTION_OPERATOR, "lsiten", "; did you mean \"listen\"?" },
	{ "capsules.", OPTION_OPERATOR, "hsot", "; did you mean \"host\"?" },
	{ "capsules.", OPTION_OPERATOR, "lnag", "; did you mean \"lang\"?" },
	{ "", OPTION_OPERATOR, "elephant", "" },
	/* Ours, but elsewhere. */
	{ "", OPTION_OPERATOR, "root", "; use \"capsules.root\"" },
	{ "", OPTION_OPERATOR, "rate", "; use \"limits.rate\"" },
	{ "", OPTION_OPERATOR, "listing", "; use \"capsules.listing\"" },
	{ "", OPTION_CAPSULE, "root",
	    "; use \"capsules.root\" in carnation.conf" },
	{ "", OPTION_CAPSULE, "listen", "; use \"listen\" in carnation.conf" },
	{ "limits.", OPTION_OPERATOR, "workers",
	    "; use \"workers\" outside of \"limits\"" },
	/* Of other servers. */
	{ "", OPTION_OPERATOR, "port", "; did you mean " LISTEN },
	{ "", OPTION_OPERATOR, "Port", "; did you mean " LISTEN },
	{ "", OPTION_OPERATOR, "addresses", "; did you mean " LISTEN },
	{ "", OPTION_OPERATOR, "addr", "; did you mean " LISTEN },
	{ "capsules.", OPTION_OPERATOR, "port", OUTSIDE },
	{ "", OPTION_OPERATOR, "hostname", "; use \"capsules.host\"" },
	{ "capsules.", OPTION_OPERATOR, "hostname",
	    "; did you mean \"host\"?" },
	{ "capsules.", OPTION_OPERATOR, "cert",
	    "; did you mean \"certificate\"?" },
	{ "", OPTION_OPERATOR, "CertPath", "; use \"capsules.certificate\"" },
	{ "", OPTION_OPERATOR, "KeyPath", "; use \"capsules.key\"" },
	{ "", OPTION_OPERATOR, "DocBase", "; use \"capsules.root\"" },
	{ "capsules.", OPTION_OPERATOR, "docroot", "; did you mean \"root\"?" },
	{ "capsules.", OPTION_OPERATOR, "root_dir",
	    "; did you mean \"root\"?" },
	{ "capsules.", OPTION_OPERATOR, "content", "; did you mean \"root\"?" },
	{ "", OPTION_CAPSULE, "docroot",
	    "; use \"capsules.root\" in carnation.conf" },
	{ "", OPTION_CAPSULE, "default-lang", "; did you mean \"lang\"?" },
	{ "", OPTION_OPERATOR, "DefaultLang", "; use \"capsules.lang\"" },
	{ "capsules.", OPTION_OPERATOR, "auto-index",
	    "; did you mean \"listing\"?" },
	{ "", OPTION_OPERATOR, "server", "; did you mean \"capsules\"?" },
	{ "", OPTION_OPERATOR, "TempRedirects",
	    "; use \"capsules.redirects\"" },
	{ "", OPTION_OPERATOR, "AccessLog", "; use \"log.access\"" },
	{ "log.", OPTION_OPERATOR, "file", "; did you mean \"access\"?" },
	{ "", OPTION_OPERATOR, "log-ip", "; use \"log.addresses\"" },
	{ "", OPTION_OPERATOR, "prefork", "; did you mean \"workers\"?" },
	{ "tls.", OPTION_OPERATOR, "protocols", "; did you mean \"minimum\"?" },
	{ "", OPTION_OPERATOR, "listen_addr", "; did you mean " LISTEN },
	{ "", OPTION_OPERATOR, "unix_socket",
	    "; did you mean \"listen\"? (listen = [\"unix:FILE\"])" },
	{ "", OPTION_OPERATOR, "ssl", "; did you mean \"tls\"?" },
	{ "", OPTION_OPERATOR, "ssl_cert", "; use \"capsules.certificate\"" },
	{ "", OPTION_OPERATOR, "ssl_key", "; use \"capsules.key\"" },
	{ "", OPTION_OPERATOR, "min_tls", "; use \"tls.minimum\"" },
	{ "", OPTION_OPERATOR, "base", "; use \"capsules.root\"" },
	{ "", OPTION_OPERATOR, "server_names", "; use \"capsules.host\"" },
	{ "", OPTION_OPERATOR, "mime-override", "; did you mean \"types\"?" },
	{ "", OPTION_OPERATOR, "error_log_file", "; use \"log.access\"" },
	{ "", OPTION_OPERATOR, "entrypoint", "; use \"capsules.index\"" },
	{ "", OPTION_OPERATOR, "Root", "; use \"capsules.root\"" },
	{ "", OPTION_OPERATOR, "Host", "; use \"capsules.host\"" },
	{ "capsules.", OPTION_OPERATOR, "Host", "; did you mean \"host\"?" },
	{ "", OPTION_OPERATOR, "Workers", "; did you mean \"workers\"?" },
	/* Of other servers, and of no use here. */
	{ "", OPTION_OPERATOR, "log_level",
	    "; there is none: the log has one level" },
	{ "", OPTION_OPERATOR, "debug",
	    "; there is none: the log has one level" },
	{ "", OPTION_OPERATOR, "userdirs",
	    "; there is none: write a group of \"capsules\" for each" },
	{ "", OPTION_OPERATOR, "cgi",
	    "; there is none: carnation runs no programs" },
	{ "capsules.", OPTION_OPERATOR, "CGIPaths",
	    "; there is none: carnation runs no programs" },
	{ "", OPTION_OPERATOR, "proxy",
	    "; there is none: carnation forwards no requests" },
	{ "", OPTION_OPERATOR, "certs",
	    "; there is none: \"carnation serve --certs DIR\" names the "
	    "directory" },
	{ "", OPTION_OPERATOR, "CertificateZones",
	    "; there is none: carnation asks for no client certificates" },
	{ "", OPTION_OPERATOR, "chroot",
	    "; there is none: paths are opened beneath their root only" },
	{ "", OPTION_OPERATOR,
	    "a-name-that-is-longer-than-any-option-of-any-server-could-ever-be",
	    "" },
};

static void
test_what_to_write_instead(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[256];
		struct buf out;

		buf_wrap(&out, text, sizeof(text));
		unknown_explain(
		    rows[i].prefix, rows[i].place, rows[i].name, &out);
		if (!slice_equal(buf_view(&out), slice_str(rows[i].want)))
			fail_msg("row \"%s\": %.*s", rows[i].name,
			    SLICE_ARGS(buf_view(&out)));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_to_write_instead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
