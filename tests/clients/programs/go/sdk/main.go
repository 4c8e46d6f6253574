// Lists a bucket with the SDK for Go v2 and its default chain: BUCKET. It answers lines, as `lister.rs` says.
package main

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"

	"rolecall.test/list/lister"
)

func main() {
	load := func(ctx context.Context) (aws.Config, error) { return config.LoadDefaultConfig(ctx) }
	lister.Run(load, "/config", "/service/s3")
}
