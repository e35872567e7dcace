// Package crash proves that an engine that dies anywhere does nothing twice and loses nothing. The world is the gym's; the
// engines of the packages below it are real processes.
package crash
