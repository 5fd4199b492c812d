/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef ISA_TEXT_H
#define ISA_TEXT_H

/* What the tables of isa/ don't say, for the reference page. */

/** struct isa_text - a command in words
 * @name: mnemonic
 * @meaning: paragraphs of Markdown
 * @example: a valid line of assembler; NULL for END
 */
struct isa_text {
	const char *name;
	const char *meaning;
	const char *example;
};

/** struct isa_suffix_text - a mode or flag in words
 * @layout: name of the layout; NULL for all
 * @name: as the assembler spells it
 * @text: what it does
 */
struct isa_suffix_text {
	const char *layout;
	const char *name;
	const char *text;
};

extern const struct isa_text isa_texts[];
extern const unsigned int isa_nr_texts;
extern const struct isa_suffix_text isa_suffix_texts[];
extern const unsigned int isa_nr_suffix_texts;

/* What comes before and after the commands. */
extern const char isa_introduction[];
extern const char isa_constants[];
extern const char isa_validation[];

#endif
