package temporal

import (
	"go.temporal.io/sdk/converter"
	sdktemporal "go.temporal.io/sdk/temporal"
)

// dataConverter is the one place that decides what stored payloads look like: plain JSON, then each codec in order.
func dataConverter(codecs []converter.PayloadCodec) converter.DataConverter {
	plain := converter.GetDefaultDataConverter()
	if len(codecs) == 0 {
		return plain
	}
	return converter.NewCodecDataConverter(plain, codecs...)
}

// failureConverter encodes the text of failures too once there is a codec: it can quote what a payload held.
func failureConverter(codecs []converter.PayloadCodec) converter.FailureConverter {
	return sdktemporal.NewDefaultFailureConverter(sdktemporal.DefaultFailureConverterOptions{
		DataConverter:          dataConverter(codecs),
		EncodeCommonAttributes: len(codecs) > 0,
	})
}
