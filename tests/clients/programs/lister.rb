# Lists a bucket with the SDK for Ruby and its default chain: BUCKET. It answers lines, as `lister.rs` says.

require "aws-sdk-s3"

$stdout.sync = true
# Made when it is first needed: where there are no credentials, making it fails.
storage = nil
$stdin.each_line(chomp: true) do |line|
  if line == "version"
    puts "ok aws-sdk-s3 #{Aws::S3::GEM_VERSION}, aws-sdk-core #{Aws::CORE_GEM_VERSION}"
    next
  end
  storage ||= Aws::S3::Client.new(force_path_style: true, endpoint: ENV.fetch("AWS_ENDPOINT_URL_S3"))
  listed = nil
  line.to_i.times { listed = storage.list_objects_v2(bucket: ARGV[0]) }
  puts "ok #{listed.contents.map(&:key).join('|')}"
rescue StandardError => error
  puts "error #{error.class}: #{error.message.split.join(' ')}"
end
