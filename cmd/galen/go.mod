module github.com/galenhq/galen/cmd/galen

go 1.26.0
