package runbooks_test

// second is an empty instance besides n4, with so many bytes free.
func (s *tale) second(free int64) *tale {
	s.t.Helper()
	i, found := s.folded.Instance("n4")
	if !found {
		s.t.Fatal("no instance n4")
	}
	i.Name, i.Address, i.DiskFree = "n5", "127.0.0.5", &free
	s.folded.Instances = append(s.folded.Instances, i)
	return s
}

// lame: an instance has no start command.
func (s *tale) lame(instance string) *tale {
	for i := range s.folded.Instances {
		if s.folded.Instances[i].Name == instance {
			s.folded.Instances[i].LameLooks = 2
			s.folded.Instances[i].CannotStart = "its start command /srv/" + instance + "/bin/start is missing"
		}
	}
	return s
}

// untold: a host does not tell how much is free.
func (s *tale) untold(instance string) *tale {
	for i := range s.folded.Instances {
		if s.folded.Instances[i].Name == instance {
			s.folded.Instances[i].DiskFree = nil
		}
	}
	return s
}
