// Command gitops reads Freehold's objects as GitOps tools do: with kstatus, which Flux and Helm wait
// by, and with a health.lua, as Argo CD runs it. It also decodes a Flux HelmRelease.
//
//	gitops kstatus            objects on standard input, one JSON document after the other
//	gitops health SCRIPT      the same
//	gitops helmrelease        one HelmRelease in JSON or YAML
//
// The first two answer each object with one line of JSON: {"status": …, "message": …}.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

type answer struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gitops:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	switch {
	case len(arguments) == 1 && arguments[0] == "kstatus":
		return answerEach(kstatus)
	case len(arguments) == 2 && arguments[0] == "health":
		script, err := os.ReadFile(arguments[1])
		if err != nil {
			return err
		}
		return answerEach(func(object *unstructured.Unstructured) (answer, error) {
			return health(string(script), object)
		})
	case len(arguments) == 1 && arguments[0] == "helmrelease":
		return helmRelease()
	}
	return errors.New("usage: gitops kstatus | health SCRIPT | helmrelease")
}

func answerEach(ask func(*unstructured.Unstructured) (answer, error)) error {
	input := json.NewDecoder(os.Stdin)
	output := json.NewEncoder(os.Stdout)
	for {
		var document json.RawMessage
		if err := input.Decode(&document); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		object := &unstructured.Unstructured{}
		// Keeps integers as integers, as a client of the API server has them.
		if err := object.UnmarshalJSON(document); err != nil {
			return err
		}
		said, err := ask(object)
		if err != nil {
			return fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
		}
		if err := output.Encode(said); err != nil {
			return err
		}
	}
}

func kstatus(object *unstructured.Unstructured) (answer, error) {
	result, err := status.Compute(object)
	if err != nil {
		return answer{}, err
	}
	return answer{Status: result.Status.String(), Message: result.Message}, nil
}

func helmRelease() error {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	var release helmv2.HelmRelease
	if err := yaml.UnmarshalStrict(text, &release); err != nil {
		return err
	}
	if release.GroupVersionKind() != helmv2.GroupVersion.WithKind(helmv2.HelmReleaseKind) {
		return fmt.Errorf("%s is no HelmRelease", release.GroupVersionKind())
	}
	return nil
}
