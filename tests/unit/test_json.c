/* SPDX-License-Identifier: ISC */
#include "check.h"

#include "util/json.h"

static void
test_all_kinds(void **state)
{
	struct buf out;
	struct json j = { .out = &out };

	(void)state;
	buf_init(&out, 1024);
	json_object(&j, NULL);
	json_text(&j, "text", "a\"b\\c\n");
	json_text(&j, "none", NULL);
	json_slice(&j, "bytes", SLICE("\xff"));
	json_number(&j, "max", UINT64_MAX);
	json_bool(&j, "yes", true);
	json_bool(&j, "no", false);
	json_list(&j, "empty");
	json_end(&j);
	json_list(&j, "numbers");
	json_number(&j, NULL, 1);
	json_number(&j, NULL, 2);
	json_end(&j);
	json_list(&j, "objects");
	json_object(&j, NULL);
	json_end(&j);
	json_object(&j, NULL);
	json_null(&j, "x");
	json_end(&j);
	json_end(&j);
	json_object(&j, "inner");
	json_end(&j);
	json_end(&j);
	assert_string_equal(buf_cstr(&out),
	    "{\"text\":\"a\\\"b\\\\c\\u000a\",\"none\":null,"
	    "\"bytes\":\"\\\\xff\",\"max\":18446744073709551615,"
	    "\"yes\":true,\"no\":false,\"empty\":[],\"numbers\":[1,2],"
	    "\"objects\":[\n{},\n{\"x\":null}],\"inner\":{}}\n");
	assert_false(out.failed);
	buf_fini(&out);
}

static void
test_truncation_is_noted(void **state)
{
	struct buf out;
	struct json j = { .out = &out };

	(void)state;
	buf_init(&out, 8);
	json_list(&j, NULL);
	json_text(&j, NULL, "longer than that");
	json_end(&j);
	assert_true(out.failed);
	buf_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_kinds),
		cmocka_unit_test(test_truncation_is_noted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
