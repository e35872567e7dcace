module github.com/galenhq/galen/test

go 1.26.0
