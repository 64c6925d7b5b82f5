package main

import (
	"k8s.io/apimachinery/pkg/runtime"
	kjson "k8s.io/apimachinery/pkg/runtime/serializer/json"
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
