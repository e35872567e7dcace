package main

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// nasty has one of each sort of what must not reach a terminal.
const nasty = "a\x00\x1b[2J\x1b]0;t\a\b\r\n\t\u007f\u0085\u009b31m\u00ad\u200f\u202e\u2066\ufeff\U000e0041é漢"

func TestOneLine(t *testing.T) {
	for in, want := range map[string]string{
		"a  b\n\tc":    "a b c",
		"é 漢":          "é 漢",
		"\x1b[31mred":  `\x1b[31mred`,
		"\u009b31m":    `\u009b31m`,
		"a\u202eb":     `a\u202eb`,
		"a\x00b\u007f": `a\x00b\x7f`,
		"\U000e0041":   `\U000e0041`,
	} {
		if got := oneLine(in); got != want {
			t.Errorf("oneLine(%q) is %q, want %q", in, got, want)
		}
	}
}

// TestFormsShowWhatIsHidden: each form of output writes it out, and a program that parses it has the text as it was.
func TestFormsShowWhatIsHidden(t *testing.T) { formsShow(t, nasty) }

// TestFormsShowAnyText: a property; a fuzz target would have all of the embedded Temporal instrumented.
func TestFormsShowAnyText(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	from := []rune(nasty + " :-#'\"\\\n{}[]&*!|>%@`~\u2028\u3000\ufffe\U0010ffff")
	for range 3000 {
		text := make([]rune, dice.IntN(12))
		for i := range text {
			if text[i] = from[dice.IntN(len(from))]; dice.IntN(4) == 0 {
				text[i] = rune(dice.IntN(unicode.MaxRune + 1))
			}
		}
		formsShow(t, string(text))
	}
}

func formsShow(t *testing.T, text string) {
	text = strings.ToValidUTF8(text, "\ufffd") // as JSON of the API always is
	for form, decode := range map[string]func([]byte, any) error{
		formJSON: json.Unmarshal,
		formYAML: yaml.Unmarshal,
	} {
		var out strings.Builder
		c := &cli{output: form, out: &out}
		if err := c.print(map[string]string{"text": text, "\u202ekey": "v"}, nil); err != nil {
			t.Fatalf("%s: %v", form, err)
		}
		if i := strings.IndexFunc(out.String(), hiddenIn); i >= 0 {
			t.Errorf("%s prints %q", form, out.String())
		}
		var back map[string]string
		if err := decode([]byte(out.String()), &back); err != nil || back["text"] != text || back["\u202ekey"] != "v" {
			t.Errorf("%s: %v: %q came back as %q of\n%s", form, err, text, back["text"], out.String())
		}
	}
}
