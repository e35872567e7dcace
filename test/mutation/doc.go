// Command mutation changes one thing at a time in our own code and tells which changes no test of the package notices.
//
//	go run ./mutation internal/gate                        # the files of a package
//	go run ./mutation 'activities/cassandra/quorum*.go'    # or some of them
//
// All mutants of a package are built into one test binary: a function that has mutants gets a copy for each and calls the
// one that the environment names. So a mutant costs one run of the tests that cover its line, and no compiling. Those
// outside of functions (constants) are built one by one. A mutant that does not compile does not count.
//
// Mutants that no test can notice, because the program does the same, are listed in equivalent.json, each with the reason.
// They are run too: one that a test kills, or that is not found any more, is an error.
package main
