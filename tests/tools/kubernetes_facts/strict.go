package main

import (
	"k8s.io/apimachinery/pkg/runtime"
	kjson "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"sigs.k8s.io/yaml"
)

// Verdict is what strict decoding says: the strict errors one by one, or the error that ends decoding.
type Verdict struct {
	Body   string   `json:"body"`
	Strict []string `json:"strict"`
	Error  string   `json:"error"`
}

func strictAll(scheme *runtime.Scheme, bodies []string) []Verdict {
	reader := kjson.NewSerializerWithOptions(kjson.DefaultMetaFactory, scheme, scheme, kjson.SerializerOptions{Strict: true})
	verdicts := []Verdict{}
	for _, body := range bodies {
		verdict := Verdict{Body: body, Strict: []string{}}
		_, _, err := reader.Decode([]byte(body), nil, nil)
		if strictErr, isStrict := runtime.AsStrictDecodingError(err); isStrict {
			for _, each := range strictErr.Errors() {
				verdict.Strict = append(verdict.Strict, each.Error())
			}
		} else if err != nil {
			verdict.Error = err.Error()
		}
		verdicts = append(verdicts, verdict)
	}
	return verdicts
}

// YAMLVerdict is what a YAML text becomes as JSON, or why it becomes none, and what strict decoding adds.
type YAMLVerdict struct {
	Text   string `json:"text"`
	JSON   string `json:"json"`
	Error  string `json:"error"`
	Strict string `json:"strict"`
}

func yamlAll(texts []string) []YAMLVerdict {
	verdicts := []YAMLVerdict{}
	for _, text := range texts {
		verdict := YAMLVerdict{Text: text}
		converted, err := yaml.YAMLToJSON([]byte(text))
		if err != nil {
			verdict.Error = err.Error()
		} else if _, err := yaml.YAMLToJSONStrict([]byte(text)); err != nil {
			verdict.Strict = err.Error()
		}
		verdict.JSON = string(converted)
		verdicts = append(verdicts, verdict)
	}
	return verdicts
}
