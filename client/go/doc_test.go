package confreg

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// Everything that is exported is documented, and the documentation begins with its name.
func TestEveryExportIsDocumented(t *testing.T) {
	files := token.NewFileSet()
	parsed, err := parser.ParseDir(files, ".", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var sources []*ast.File
	for name, file := range parsed["confreg"].Files {
		if !strings.HasSuffix(name, "_test.go") {
			sources = append(sources, file)
		}
	}
	exported, err := doc.NewFromFiles(files, sources, "confreg.io/confreg")
	if err != nil {
		t.Fatal(err)
	}
	check := func(name, text string) {
		if !strings.HasPrefix(text, name+" ") && !strings.HasPrefix(text, name+":") {
			t.Errorf("%s is documented by %q", name, text)
		}
	}
	functions := slices.Clone(exported.Funcs)
	values := slices.Concat(exported.Consts, exported.Vars)
	for _, kind := range exported.Types {
		check(kind.Name, kind.Doc)
		functions = slices.Concat(functions, kind.Funcs, kind.Methods)
		values = slices.Concat(values, kind.Consts, kind.Vars)
	}
	for _, function := range functions {
		check(function.Name, function.Doc)
	}
	for _, group := range values {
		if group.Doc == "" {
			t.Errorf("%v are not documented", group.Names)
		}
	}
	if len(functions) < 30 || !strings.HasPrefix(exported.Doc, "Package confreg ") {
		t.Error("the package was not read")
	}
}
