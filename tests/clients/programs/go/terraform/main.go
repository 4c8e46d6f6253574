// Lists a bucket with aws-sdk-go-base, by which Terraform's AWS provider and S3 backend authenticate: BUCKET. It answers
// lines, as `lister.rs` says.
package main

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsbase "github.com/hashicorp/aws-sdk-go-base/v2"

	"rolecall.test/list/lister"
)

func main() {
	load := func(ctx context.Context) (aws.Config, error) {
		// As the provider does: credentials are fetched at once, and STS is asked for the account.
		ctx, settings, diagnostics := awsbase.GetAwsConfig(ctx, &awsbase.Config{CallerName: "rolecall's tests", MaxRetries: 3})
		if diagnostics.HasError() {
			problem := diagnostics.Errors()[0]
			return settings, errors.New(problem.Summary() + ": " + problem.Detail())
		}
		_, _, diagnostics = awsbase.GetAwsAccountIDAndPartition(ctx, settings, &awsbase.Config{})
		if diagnostics.HasError() {
			problem := diagnostics.Errors()[0]
			return settings, errors.New(problem.Summary() + ": " + problem.Detail())
		}
		return settings, nil
	}
	lister.Run(load, "/aws-sdk-go-base/v2")
}
