// Package galen holds the words of Galen, the physician for data infrastructure.
package galen
