package galen

// Weak are the fields of the policy whose number is weaker than what an invariant promises, with that invariant. They are allowed, for a
// resource on which nothing depends, and shown wherever a policy is.
func (p Policy) Weak() map[string]string {
	safe, out := SafePolicy(), map[string]string{}
	for _, f := range []struct {
		field, invariant string
		weak             bool
	}{
		{"observers", "I-04", p.Observers < safe.Observers},
		{"kinds", "I-04", p.Kinds < safe.Kinds},
		{"replace_spacing", "I-13", p.ReplaceSpacing < safe.ReplaceSpacing},
		{"replace_after", "I-15", p.ReplaceAfter < safe.ReplaceAfter},
		{"delete_delay", "I-25", p.DeleteDelay < safe.DeleteDelay},
	} {
		if f.weak {
			out[f.field] = f.invariant
		}
	}
	return out
}
