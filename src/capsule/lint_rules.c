/* SPDX-License-Identifier: ISC */
/* The table of checks: each row has its entry in carnation(8). */
#include <string.h>

#include "capsule/lint_internal.h"

static const struct lint_rule rules[] = {
	{ "A001", LINT_ERROR, "a feed that is not well-formed XML" },
	{ "A002", LINT_ERROR, "a feed without id, title or date, or no feed" },
	{ "A003", LINT_ERROR, "a feed's entry without id, title or date" },
	{ "A004", LINT_WARNING, "a feed that says other than its page" },
	{ "A005", LINT_ERROR, "a feed of another type than its own" },
	{ "A006", LINT_WARNING, "a feed's entry that leads nowhere" },
	{ "A007", LINT_INFO, "a feed that is still to be written" },
	{ "C001", LINT_WARNING, "a page without a language" },
	{ "C002", LINT_WARNING, "a file name with risky characters" },
	{ "C003", LINT_WARNING, "a directory without index or listing" },
	{ "C004", LINT_WARNING, "a page that nothing links to" },
	{ "C005", LINT_WARNING, "a file larger than 100 MiB" },
	{ "C006", LINT_ERROR, "a mistake in capsule.conf" },
	{ "C007", LINT_ERROR, "an option that names a file not served" },
	{ "C008", LINT_INFO, "a page that the order leaves out" },
	{ "C009", LINT_ERROR, "a redirect that leads to no page" },
	{ "C010", LINT_WARNING, "a file that is said to be gone" },
	{ "C011", LINT_WARNING, "a page whose name does not end in .gmi" },
	{ "C012", LINT_ERROR, "a capsule without an index page" },
	{ "C013", LINT_INFO, "a file that visitors do not get" },
	{ "C014", LINT_WARNING, "something doubtful in capsule.conf" },
	{ "F001", LINT_ERROR, "a favicon.txt that is not plain text" },
	{ "F002", LINT_WARNING, "a favicon.txt that is not one emoji" },
	{ "G001", LINT_ERROR, "a page that is not UTF-8" },
	{ "G002", LINT_ERROR, "a byte order mark" },
	{ "G003", LINT_ERROR, "line ends of two kinds, or a bare CR" },
	{ "G004", LINT_ERROR, "a control character" },
	{ "G005", LINT_WARNING, "an escape sequence for terminals" },
	{ "G006", LINT_ERROR, "a last line without its end" },
	{ "G007", LINT_ERROR, "a link to what is not there" },
	{ "G008", LINT_ERROR, "a link line without a URL" },
	{ "G009", LINT_ERROR, "a URL with characters that it cannot hold" },
	{ "G010", LINT_ERROR, "a link that climbs above the root" },
	{ "G011", LINT_WARNING, "a link to a directory without its slash" },
	{ "G012", LINT_WARNING, "a link to what has moved" },
	{ "G013", LINT_ERROR, "a link to what is gone" },
	{ "G014", LINT_WARNING, "an absolute link to the capsule itself" },
	{ "G015", LINT_WARNING, "the usual port in a link" },
	{ "G016", LINT_ERROR, "a scheme that is misspelt" },
	{ "G017", LINT_WARNING, "a fragment in a link" },
	{ "G018", LINT_WARNING, "a link without a label" },
	{ "G019", LINT_WARNING, "a label that is only a URL" },
	{ "G020", LINT_INFO, "a link out of the capsule" },
	{ "G021", LINT_ERROR, "a preformatted block that is not closed" },
	{ "G022", LINT_WARNING, "text behind the end of a block" },
	{ "G023", LINT_INFO, "a preformatted block without a description" },
	{ "G024", LINT_WARNING, "a heading of four or more #" },
	{ "G025", LINT_WARNING, "a list mark without its blank" },
	{ "G026", LINT_WARNING, "the markup of another format" },
	{ "G027", LINT_WARNING, "a page with no title, or with two" },
	{ "G028", LINT_INFO, "a page that does not begin with its title" },
	{ "G029", LINT_WARNING, "a heading that skips a level" },
	{ "G030", LINT_WARNING, "an empty heading" },
	{ "G031", LINT_WARNING, "a paragraph broken into lines" },
	{ "G032", LINT_INFO, "more than two blank lines in a row" },
	{ "G033", LINT_WARNING, "a blank before the mark of a line" },
	{ "G034", LINT_WARNING, "a page too large for search engines" },
	{ "G035", LINT_WARNING, "letters in a URL that want an escape" },
	{ "G036", LINT_WARNING, "a scheme that nobody knows" },
	{ "R001", LINT_ERROR, "a robots.txt that is not plain text" },
	{ "R002", LINT_WARNING, "a robot that nobody knows" },
	{ "R003", LINT_ERROR, "a Disallow that is for no robot" },
	{ "R004", LINT_ERROR, "a Disallow whose path has no slash in front" },
	{ "R005", LINT_WARNING, "a Disallow that a slash makes too narrow" },
	{ "R006", LINT_WARNING, "a line that robots pass over" },
	{ "R007", LINT_WARNING, "robots that may fetch every file twice" },
	{ "S001", LINT_ERROR, "a feed page that is not there" },
	{ "S002", LINT_ERROR, "a feed page without a title" },
	{ "S003", LINT_ERROR, "an entry with a date that does not exist" },
	{ "S004", LINT_WARNING, "an entry of the future" },
	{ "S005", LINT_ERROR, "two entries of one URL" },
	{ "S006", LINT_WARNING, "a feed page without an entry" },
	{ "S007", LINT_WARNING, "an entry without a title" },
	{ "W001", LINT_ERROR, "a security.txt that is not plain text" },
	{ "W002", LINT_WARNING, "a security.txt without contact, or expired" },
};

enum { RULES = sizeof(rules) / sizeof(rules[0]) };

const struct lint_rule *
lint_rules(size_t *n)
{
	*n = RULES;
	return rules;
}

const struct lint_rule *
lint_rule_find(const char *code)
{
	for (size_t i = 0; i < RULES; i++)
		if (strcmp(rules[i].code, code) == 0)
			return &rules[i];
	return NULL;
}

bool
lint_rule_hangs_on_conf(const struct lint_rule *rule)
{
	static const char *const codes[] = { "A005", "A006", "C001", "C003",
		"C004", "C012", "F001", "G007", "R001", "W001" };

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strcmp(codes[i], rule->code) == 0)
			return true;
	return false;
}
