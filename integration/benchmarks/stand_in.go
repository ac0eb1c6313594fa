// Stand-in for the compiled OCI wrappers: on create it reads the bundle's config.json into a map, changes one
// annotation and writes it back; every call then becomes the real runtime, whose path is in STAND_IN_RUNTIME.
package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"syscall"
)

func main() {
	bundle, create := ".", false
	for i, word := range os.Args[1:] {
		if word == "create" || word == "run" {
			create = true
		}
		if word == "--bundle" && i+2 < len(os.Args) {
			bundle = os.Args[i+2]
		}
	}
	if create {
		rewrite(filepath.Join(bundle, "config.json"))
	}
	runtime := os.Getenv("STAND_IN_RUNTIME")
	fail(syscall.Exec(runtime, append([]string{runtime}, os.Args[1:]...), os.Environ()))
}

func rewrite(path string) {
	text, err := os.ReadFile(path)
	fail(err)
	var config map[string]interface{}
	fail(json.Unmarshal(text, &config))
	annotations, _ := config["annotations"].(map[string]interface{})
	if annotations == nil {
		annotations = map[string]interface{}{}
		config["annotations"] = annotations
	}
	annotations["stand-in"] = "was here"
	text, err = json.Marshal(config)
	fail(err)
	fail(os.WriteFile(path, text, 0o644))
}

func fail(err error) {
	if err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
}
